"""`python -m ecg12 …`: the same program as the command `ecg12`."""

from ecg12.commands.main import main

if __name__ == "__main__":
    main()
