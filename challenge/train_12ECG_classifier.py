"""The Challenge's interface to training: what the organisers' train_model.py imports from its path."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

READY_MADE = "mdls"
"""Folder of run folders that were trained before; looked for in the working directory, then beside challenge/."""

LAST = "mdl_last"

PRESET = "reference"
OPTIONS: Mapping[str, Any] = {
    "seed": 1122,
    "output_layer": "challenge_sigmoid",
    "train_classes": "scored",
    "valid_split": 0.0,
    "save_last": True,
}
"""As the reference system trained its entry: on everything, without validation, for the last weights."""

MODEL_OPTIONS: Mapping[str, Any] = {"normalisation": "record"}
"""Its one departure: the reference fed millivolts by the headers' gains and fell on the hidden sets, whose gains were
others; each recording is normalised by its own amplitude instead."""


def train_12ECG_classifier(
    input_directory: str | Path,
    output_directory: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    model_options: Mapping[str, Any] | None = None,
) -> None:
    """Copy the ready-made run folders into the output directory, and train one more into its `mdl_last`.

    Whatever the output directory holds then predicts as one: `load_12ECG_model(output_directory)`.

    Parameters
    ----------
    input_directory : records with their headers, in any nesting
    options, model_options : fields of the training and the model that differ from `OPTIONS` and `MODEL_OPTIONS`

    Raises
    ------
    ecg.errors.EcgError
        If there is nothing to train on, or the output directory holds a finished training already.
    """
    import torch

    from ecg12.cache.schema import StoreConfig
    from ecg12.pipeline.ingest.build_cache import build_cache
    from ecg12.pipeline.ingest.dask_cluster import Cluster
    from ecg12.pipeline.training.train import train

    output = Path(output_directory)
    output.mkdir(parents=True, exist_ok=True)
    for folder in copy_ready_made(output):
        print(f"copied {folder}")
    # beside the output, where there is room for a model, and not in a small /tmp
    with tempfile.TemporaryDirectory(prefix=".store-", dir=output) as scratch:
        store = Path(scratch) / "ecg.zarr"
        built = build_cache([Path(input_directory)], store, StoreConfig(), cluster=Cluster(workers=1))
        print(f"{built.description.n_records} records read, {len(built.description.rejects)} rejected")
        summary = train(
            store,
            folder=output / LAST,
            preset=PRESET,
            options={**OPTIONS, **(options or {})},
            model_options={**MODEL_OPTIONS, **(model_options or {})},
            cuda=torch.cuda.is_available(),
            report=_tell,
        )
    print(f"trained {summary.folder} on {summary.n_train} records")


def copy_ready_made(output: Path) -> list[Path]:
    """Copy every run folder of `mdls/`; one that is in the output directory already stays as it is."""
    places = [Path.cwd() / READY_MADE, ROOT / READY_MADE]
    source = next((place for place in places if place.is_dir()), None)
    copied = []
    for folder in sorted(source.iterdir()) if source else ():
        if folder.is_dir() and not (output / folder.name).exists():
            shutil.copytree(folder, output / folder.name)
            copied.append(output / folder.name)
    return copied


def _tell(row: Mapping[str, float]) -> None:
    print(f"epoch {int(row['epoch']) + 1}: train loss {row['train_loss']:.4f}", flush=True)
