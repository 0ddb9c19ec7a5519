"""What a prediction leaves on disk: a Challenge CSV for each record, one table of them all, and JSON for programs.

The table and the JSON are written as records come, so that a million of them need no memory, and have their names only
when they are whole.
"""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cache.schema import Reject
from ecg.errors import InputError
from ecg.prediction import Prediction, format_prediction, format_scores
from ecg.snomed import abbreviation_of, name_of
from pipeline.inputs.aside import NotLookedAt

TABLE = "predictions.csv"
TABLE_COLUMNS = ("record", "class", "name", "score", "label", "threshold", "quality")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordFacts:
    """What is known of a record beside its prediction.

    Attributes
    ----------
    source, file : the input it was found under, and its path in it or its name in a store
    fs : sampling frequency of the source, Hz
    derived, zeroed : leads that were calculated from others, and leads that were missing and are zeros
    quality : what is not as it should be, in words; "" for nothing
    notes : what the reader took otherwise than the file says it
    """

    record: str
    source: str
    file: str
    fs: float
    duration_s: float
    age: float | None = None
    sex: str | None = None
    derived: tuple[str, ...] = ()
    zeroed: tuple[str, ...] = ()
    quality: str = ""
    notes: tuple[str, ...] = ()


class PredictionFiles:
    """Writes predictions; a context, at whose end the table and the JSON get their names.

    Parameters
    ----------
    output : folder, which must exist
    thresholds : of each class, None where another rule decides
    json_path : None for none
    model : named in the JSON
    table : write the table, too
    """

    def __init__(
        self,
        output: Path,
        thresholds: Sequence[float | None],
        json_path: Path | None = None,
        *,
        model: str = "",
        table: bool = True,
    ) -> None:
        self.output, self.json_path, self.model, self.has_table = output, json_path, model, table
        self.thresholds = tuple(thresholds)
        self._stated_thresholds = tuple("" if at is None else str(at) for at in self.thresholds)
        self.n_written = 0
        self._folders: set[Path] = {output}

    def __enter__(self) -> Self:
        self._table: IO[str] | None = None
        self._json: IO[str] | None = None
        if self.has_table:
            self._table = _open_partial(self.output / TABLE)
            csv.writer(self._table, lineterminator="\n").writerow(TABLE_COLUMNS)
        if self.json_path is not None:
            self.json_path.parent.mkdir(parents=True, exist_ok=True)
            self._json = _open_partial(self.json_path)
            self._json.write('{"model": ' + json.dumps(self.model, ensure_ascii=False) + ', "records": [')
        return self

    def write(self, prediction: Prediction, facts: RecordFacts) -> None:
        """One record's prediction, to all files."""
        path = self.output / f"{prediction.record_name}.csv"
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        replace_text(path, format_prediction(prediction))
        if self._table is not None:
            self._write_rows(self._table, prediction, facts)
        if self._json is not None:
            rows = zip(prediction.codes, prediction.scores, prediction.labels, self.thresholds, strict=True)
            self._json.write("\n" if self.n_written == 0 else ",\n")
            json.dump(asdict(facts) | {"classes": [_class(*row) for row in rows]}, self._json, ensure_ascii=False)
        self.n_written += 1

    def _write_rows(self, table: IO[str], prediction: Prediction, facts: RecordFacts) -> None:
        classes, scores = _quote_classes(prediction.codes), format_scores(prediction)
        columns = zip(classes, scores, prediction.labels, self._stated_thresholds, strict=True)
        record, quality = _quote(facts.record), _quote(facts.quality)
        table.write("".join([f"{record},{one},{score},{label},{at},{quality}\n" for one, score, label, at in columns]))

    def finish(self, rejects: Sequence[Reject], aside: Sequence[NotLookedAt] = ()) -> None:
        """Give the table and the JSON their names; `rejects`, and files that were set aside, are named in the JSON."""
        if self._table is not None:
            _rename(self._table, self.output / TABLE)
        if self._json is not None and self.json_path is not None:
            skipped = [{"record": one.record, "source": one.dataset, "reason": one.reason} for one in rejects]
            others = [{"file": one.relative, "source": one.source, "reason": one.reason} for one in aside]
            self._json.write('\n], "skipped": ' + json.dumps(skipped, ensure_ascii=False))
            self._json.write(', "not_looked_at": ' + json.dumps(others, ensure_ascii=False) + "}\n")
            _rename(self._json, self.json_path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._table, self._json):
            if file is not None and not file.closed:  # not finished: leave nothing that looks whole
                file.close()
                Path(file.name).unlink(missing_ok=True)


def check_output(output: Path, *, force: bool) -> None:
    """Refuse a folder for predictions that is a file, or that holds some already.

    Raises
    ------
    InputError
        Saying which, unless `force` allows the second.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; expected a folder for the predictions")
    if not force and output.is_dir() and any(output.glob("*.csv")):
        raise InputError(f"{output}: holds CSV files already; choose another --output, or --force to write into it")


def _class(code: str, score: float, label: int, threshold: float | None) -> dict[str, Any]:
    names = {"code": code, "abbreviation": abbreviation_of(code), "name": name_of(code)}
    return names | {"score": round(float(score), 9), "threshold": threshold, "label": int(label)}


@lru_cache(maxsize=16)
def _quote_classes(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Codes and names of classes in a table's rows; remembered, for all records of a model have the same."""
    return tuple(_quote(code, name_of(code)) for code in codes)


def _quote(*fields: str) -> str:
    """Fields of a table's row, as they stand between others."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([*fields, 0])  # alone, an empty one would be quoted
    return row.getvalue().removesuffix(",0")


def replace_text(path: Path, text: str) -> None:
    """Write whole or not at all; not flushed to the disk file by file, which would take longer than predicting."""
    partial = f"{path}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:  # a path of text takes half the time of a Path
            file.write(text.encode())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _open_partial(path: Path) -> IO[str]:
    return path.with_name(f"{path.name}.{os.getpid()}.partial").open("w", encoding="utf-8", newline="")


def _rename(file: IO[str], path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    Path(file.name).replace(path)
