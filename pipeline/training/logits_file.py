"""logits.csv: what a network said of every validation window, so that other rules can be tried without it.

Columns as the reference system writes them: ids (the record), subids (the window's number in it), then one for each
output.
"""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import RunFolderError, StoreError
from ecg12.pipeline.compute.window_logits import WindowLogits


def write_logits(path: Path, found: WindowLogits, ids: NDArray[np.object_]) -> None:
    """Write logits with every digit; `ids` are names of the store's records, by row."""
    logits = found.logits.cpu().numpy()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ids", "subids", *range(logits.shape[1])])
    for record, number, values in zip(found.record.tolist(), found.number.tolist(), logits, strict=True):
        writer.writerow([ids[record], number, *map(str, values)])
    write_text_atomically(path, text.getvalue())


def read_logits(path: Path, store: Store, n_outputs: int) -> WindowLogits:
    """The inverse: logits of windows of the store's records, each record's together and in order.

    Raises
    ------
    RunFolderError
        If the file cannot be understood, has another number of outputs, or records that the store has not.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = list(csv.reader(file))
        names = [row[0] for row in rows]
        numbers = np.array([int(row[1]) for row in rows], np.int64)
        logits = np.array([[float(value) for value in row[2:]] for row in rows], np.float32)
    except (OSError, ValueError, IndexError) as error:
        raise RunFolderError(f"{path}: not understood ({error}); expected ids,subids,0,1,…: remove it") from error
    if head[:2] != ["ids", "subids"] or not rows or logits.shape[1] != n_outputs or not np.isfinite(logits).all():
        raise RunFolderError(
            f"{path}: {len(rows)} rows of {max(len(head) - 2, 0)} outputs; expected ids,subids and {n_outputs} finite "
            "outputs: remove it"
        )
    try:
        record = store.rows_of(names)
    except StoreError as error:
        raise RunFolderError(f"{path}: {error}") from error
    return WindowLogits(torch.from_numpy(logits), torch.from_numpy(record), torch.from_numpy(numbers)).sorted()
