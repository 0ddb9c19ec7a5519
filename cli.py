"""The door of a checkout: `python cli.py …` is the same program as `ecg12 …` and `python -m ecg12 …`."""

from ecg12.commands.main import main

if __name__ == "__main__":
    main()
