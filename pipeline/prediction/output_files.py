"""What a prediction leaves on disk: a Challenge CSV for each record, one table of them all, and JSON for programs.

A number is no label, so that a model that tells one leaves no Challenge CSV: its table and the JSON have the number.
The table and the JSON are written as records come, so that a million of them need no memory, and have their names only
when they are whole.
"""

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ecg12.cache.schema import Reject
from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import Prediction, format_prediction, format_scores
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.pipeline.prediction.output_folder import (
    JSON_BEGIN,
    NUMBER_COLUMNS,
    TABLE,
    TABLE_COLUMNS,
    PredictionFolder,
    held_output,
)
from ecg12.pipeline.recordings.set_aside import NotLookedAt
from ecg12.pipeline.runtime.scratch import is_no_room
from ecg12.pipeline.tasks.task_files import carry_task


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

    Where nothing is predicted there is no table, nor anything else in the way of another run.

    Parameters
    ----------
    output : folder, with whatever earlier predictions
    thresholds : of each class, None where another rule decides
    json_path : None for none
    names : what the columns are called
    model : named in the JSON
    table : write the table, too; that of numbers is always written
    held : the folder, if the caller holds it already
    """

    def __init__(
        self,
        output: Path,
        thresholds: Sequence[float | None],
        json_path: Path | None = None,
        *,
        names: ClassNames | None = None,
        model: str = "",
        table: bool = True,
        held: PredictionFolder | None = None,
    ) -> None:
        self.names = names or ClassNames()
        self.unit = self.names.unit
        self.output, self.json_path, self.model = output, json_path, model
        self.has_table = table or self.unit is not None
        self.thresholds = tuple(thresholds)
        self._stated_thresholds = tuple("" if at is None else str(at) for at in self.thresholds)
        self.n_written = 0
        self._folders: set[Path] = {output}
        self._given = held

    def __enter__(self) -> Self:
        self._table: IO[str] | None = None
        self._json: IO[str] | None = None
        with ExitStack() as stack:
            self._held = self._given or stack.enter_context(held_output(self.output, force=True))
            self._partial = os.fspath(self._held.work / "record.partial")
            stack.callback(self._discard)
            if self.has_table:
                self._table = _open_text(self._held.work / TABLE)
                csv.writer(self._table, lineterminator="\n").writerow(
                    TABLE_COLUMNS if self.unit is None else NUMBER_COLUMNS
                )
            if self.json_path is not None:
                self.json_path.parent.mkdir(parents=True, exist_ok=True)
                self._json = _open_text(self.json_path.with_name(f"{self.json_path.name}.partial"))
                self._json.write(JSON_BEGIN + json.dumps(self.model, ensure_ascii=False) + ', "records": [')
            self._stack = stack.pop_all()
        return self

    def write(self, prediction: Prediction, facts: RecordFacts) -> None:
        """One record's prediction, to all files.

        Raises
        ------
        InputError, PredictionError
            If this record's name makes no file here; nothing of it is written, and other records may be.
        OSError
            If nothing more can be written.
        """
        self._held.begin()
        if self.unit is None:
            self._write_labels(prediction)
        if self._table is not None:
            self._write_rows(self._table, prediction, facts)
        if self._json is not None:
            self._json.write("\n" if self.n_written == 0 else ",\n")
            json.dump(asdict(facts) | self._describe(prediction), self._json, ensure_ascii=False)
        self.n_written += 1

    def _write_labels(self, prediction: Prediction) -> None:
        """The Challenge CSV."""
        text, path = format_prediction(prediction), self._held.path_of(prediction.record_name)
        try:
            self._write_file(path, text)
        except (OSError, ValueError) as error:  # ValueError: a NUL, or half of a surrogate pair
            if is_no_room(error):
                raise
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{self.output}: no file for {_shorten(prediction.record_name)} ({reason}); rename the record"
            ) from error

    def _describe(self, prediction: Prediction) -> dict[str, Any]:
        """For the JSON."""
        if self.unit is not None:
            return {"numbers": [self._number(*row) for row in zip(prediction.codes, prediction.scores, strict=True)]}
        rows = zip(prediction.codes, prediction.scores, prediction.labels, self.thresholds, strict=True)
        return {"classes": [self._class(*row) for row in rows]}

    def _called(self, code: str) -> dict[str, Any]:
        return {"code": code, "abbreviation": self.names.abbreviation_of(code), "name": self.names.name_of(code)}

    def _class(self, code: str, score: float, label: int, threshold: float | None) -> dict[str, Any]:
        return self._called(code) | {"score": round(float(score), 9), "threshold": threshold, "label": int(label)}

    def _number(self, code: str, value: float) -> dict[str, Any]:
        return self._called(code) | {"value": round(float(value), 9), "unit": self.unit}

    def _write_file(self, path: Path, text: str) -> None:
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        replace_text(path, text, self._partial)

    def _write_rows(self, table: IO[str], prediction: Prediction, facts: RecordFacts) -> None:
        classes, scores = _quote_classes(prediction.codes, self.names), format_scores(prediction)
        record, quality = _quote(facts.record), _quote(facts.quality)
        if self.unit is not None:
            unit = _quote(self.unit)
            values = zip(classes, scores, strict=True)
            table.write("".join([f"{record},{one},{value},{unit},{quality}\n" for one, value in values]))
            return
        columns = zip(classes, scores, prediction.labels, self._stated_thresholds, strict=True)
        table.write("".join([f"{record},{one},{score},{label},{at},{quality}\n" for one, score, label, at in columns]))

    def finish(self, rejects: Sequence[Reject], aside: Sequence[NotLookedAt] = ()) -> None:
        """Give the table and the JSON their names; `rejects`, and files that were set aside, are named in the JSON."""
        self._held.begin()  # what a run before predicted is not to be taken for this one's
        if self._table is not None and self.n_written:
            _rename(self._table, self.output / TABLE)
        if self._json is not None and self.json_path is not None:
            skipped = [{"record": one.record, "source": one.dataset, "reason": one.reason} for one in rejects]
            others = [{"file": one.relative, "source": one.source, "reason": one.reason} for one in aside]
            self._json.write('\n], "skipped": ' + json.dumps(skipped, ensure_ascii=False))
            self._json.write(', "not_looked_at": ' + json.dumps(others, ensure_ascii=False) + "}\n")
            _rename(self._json, self.json_path)
        if len(self.names.tasks) == 1 and self.n_written:
            carry_task(self.output, self.names.tasks[0])
        self._held.finish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _discard(self) -> None:
        for file in (self._table, self._json):
            if file is not None and not file.closed:  # not finished: leave nothing that looks whole
                with suppress(OSError):  # what is still to be written does not fit a full disk
                    file.close()
                Path(file.name).unlink(missing_ok=True)


@lru_cache(maxsize=16)
def _quote_classes(codes: tuple[str, ...], names: ClassNames) -> tuple[str, ...]:
    """Codes and names of classes in a table's rows; remembered, for all records of a model have the same."""
    return tuple(_quote(code, names.name_of(code)) for code in codes)


def _quote(*fields: str) -> str:
    """Fields of a table's row, as they stand between others."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([*fields, 0])  # alone, an empty one would be quoted
    return row.getvalue().removesuffix(",0")


def _shorten(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:60]}…{name[-10:]}")


def replace_text(path: Path, text: str, partial: str) -> None:
    """Write whole or not at all; not flushed to the disk file by file, which would take longer than predicting.

    Parameters
    ----------
    partial : what to call it as long as it is not whole, on the same disk
    """
    try:
        with open(partial, "wb") as file:  # a path of text takes half the time of a Path
            file.write(text.encode())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _open_text(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


def _rename(file: IO[str], path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    Path(file.name).replace(path)
