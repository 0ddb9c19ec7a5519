"""12-lead ECG: recordings and labels → one verified zarr store → trained classifiers → predictions.

The names in `__all__` are the public interface: docs/python.md has them by task, CHANGELOG.md what becomes of them.
They are imported when first asked for, so that `import ecg12` waits for nothing. Nothing else here is promised.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what type checkers and editors follow; a test holds it to the table below
    from ecg12 import errors as errors
    from ecg12.errors import EcgError as EcgError
    from ecg12.evaluation import Evaluation as Evaluation
    from ecg12.evaluation import evaluate as evaluate
    from ecg12.indexed_windows import IndexedWindows as IndexedWindows
    from ecg12.models import Model as Model
    from ecg12.models import load_model as load_model
    from ecg12.predictions import Predictions as Predictions
    from ecg12.recordings import Recording as Recording
    from ecg12.recordings import read_recording as read_recording
    from ecg12.stores import Store as Store
    from ecg12.stores import build_store as build_store
    from ecg12.stores import open_store as open_store
    from ecg12.training import TrainedRun as TrainedRun
    from ecg12.training import train as train
    from ecg12.windows import Windows as Windows

__all__ = [
    "EcgError",
    "Evaluation",
    "IndexedWindows",
    "Model",
    "Predictions",
    "Recording",
    "Store",
    "TrainedRun",
    "Windows",
    "build_store",
    "errors",
    "evaluate",
    "load_model",
    "open_store",
    "read_recording",
    "train",
]

_MODULES = {
    "EcgError": "errors",
    "Evaluation": "evaluation",
    "IndexedWindows": "indexed_windows",
    "Model": "models",
    "Predictions": "predictions",
    "Recording": "recordings",
    "Store": "stores",
    "TrainedRun": "training",
    "Windows": "windows",
    "build_store": "stores",
    "evaluate": "evaluation",
    "load_model": "models",
    "open_store": "stores",
    "read_recording": "recordings",
    "train": "training",
}
"""Which module of this folder has each name."""

if not (Path(__file__).parent / "ecg").is_dir():  # a checkout whose links to the rooms came as files, as on Windows
    __path__.append(str(Path(__file__).resolve().parent.parent))

from ecg12.ecg.version import __version__ as __version__  # noqa: E402 - where the rooms are is said above

if not TYPE_CHECKING:  # else a misspelt name would be of any type

    def __getattr__(name: str) -> object:
        if name == "errors":
            return import_module("ecg12.errors")
        if name not in _MODULES:
            raise AttributeError(f"module 'ecg12' has no attribute {name!r}")
        value = getattr(import_module(f"ecg12.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
