"""train_model.py INPUT OUTPUT: train on a folder of records, as the organisers' command of this name does."""

import sys

from train_12ECG_classifier import train_12ECG_classifier

USAGE = "usage: train_model.py INPUT OUTPUT"


def main(arguments: list[str]) -> int:
    """Train; the exit code: 1 if that cannot be done, 2 for wrong arguments."""
    if len(arguments) != 2:
        print(USAGE, file=sys.stderr)
        return 2
    print("Running training code...")
    from ecg12.ecg.errors import EcgError

    try:
        train_12ECG_classifier(*arguments)
    except (EcgError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print("Done.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
