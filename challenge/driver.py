"""driver.py MODEL INPUT OUTPUT, or driver.py INPUT OUTPUT with the model in mdl/: predict a folder of records.

It writes what the organisers' driver writes. They run theirs, which calls run_12ECG_classifier.py record by record;
this one reads ahead and predicts many records at once.
"""

import sys
from pathlib import Path

from run_12ECG_classifier import DEFAULT_MODEL

USAGE = "usage: driver.py MODEL INPUT OUTPUT, or driver.py INPUT OUTPUT with the model in mdl/"


def main(arguments: list[str]) -> int:
    """Predict; the exit code: 1 if a record could not be read, 2 for wrong arguments."""
    if len(arguments) not in (2, 3):
        print(USAGE, file=sys.stderr)
        return 2
    *model, given, output = map(Path, arguments)

    from ecg12.ecg.errors import EcgError
    from ecg12.pipeline.formats.told_by_user import InputConfig
    from ecg12.pipeline.prediction.predict import predict

    told = InputConfig(missing_leads="zero", keep_flat=True)
    try:
        summary = predict([given], output, model[0] if model else DEFAULT_MODEL, told=told, table=False, force=True)
    except (EcgError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    for reject in summary.rejects:
        print(f"skipped {reject.record}: {reject.reason}", file=sys.stderr)
    print(f"Done. {summary.n_records} records.")
    return 1 if summary.rejects else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
