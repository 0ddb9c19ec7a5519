"""The folder that a page's commands and blocks run in: what its reader has there by then, but small.

- `docs/sample/`, as in the repository, and the programs themselves
- `data/`: the download, 48 simulated records in the published layout, and `data/ecg.zarr`, the store of them
- `demo/`: what `make demo` leaves, `demo/run` and `demo/held_out` among it
- `runs/example`: a finished run on `data/ecg.zarr`
- `my-ecgs/`: 24 recordings of one's own with labels, and `patients.csv`, their patients
- `labels.csv`: a table of their labels, folds and QT intervals
- `new-ecgs/` and `records/`: three recordings each, without labels
- `my.zarr`: the store of `my-ecgs/`
- `ptb-xl/`: thirty recordings and their table in the form of PTB-XL's own release; `ptb-xl.zarr`, their store, and
  `answers-ptb-xl/`, what a model of the superclasses says of them
- `exports/` and `numbers/`: recordings with copies at another rate beside them, and bare arrays
- `numbers.npy`: a bare array of one recording, 500 Hz, mV

A page that makes one of these itself says so in `MADE_BY_THE_PAGE`: it begins without.
"""

import shutil
from pathlib import Path

import numpy as np

from ecg12.cache.schema import StoreConfig
from ecg12.pipeline.demo import run_demo
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.docs.pages import ROOT
from tests.pipeline.published import Published
from tests.records import pulses_uv, write_record

MADE_BY_THE_PAGE = {
    "README.md": ["data"],
    "docs/tutorial.md": ["my.zarr", "my.html"],
    "docs/guide/data.md": ["data"],
    "docs/tasks.md": ["ptb-xl.zarr"],
    "docs/guide/stores.md": ["data/ecg.zarr", "my.zarr"],
}
QUICK = {"epochs": 1, "max_windows_per_record": 1, "precision": "fp32"}
CODES = ("426783006", "164889003", "164909002", "59118001", "270492004", "427393009")


def prepare(folder: Path, published: Published) -> None:
    """Make all of it, once for all pages."""
    shutil.copytree(ROOT / "docs" / "sample", folder / "docs" / "sample")
    published.write(folder / "data")
    build_cache([folder / "data"], folder / "data" / "ecg.zarr", StoreConfig())
    train(folder / "data" / "ecg.zarr", folder=folder / "runs" / "example", options=QUICK, model_options=TINY)
    run_demo(folder / "demo", n_records=60, train_options=QUICK, model_options=TINY)
    _write_own(folder)
    _write_ptbxl(folder)
    _write_exports(folder)
    build_cache([folder / "my-ecgs"], folder / "my.zarr", StoreConfig())


def _write_own(folder: Path) -> None:
    for number in range(24):
        signal = pulses_uv(2000, fs=400, seed=number)
        write_record(folder / "my-ecgs", f"ecg{number:02d}", signal, fs=400, dx=CODES[number % len(CODES)])
    for number in range(24, 27):
        signal = pulses_uv(2000, fs=400, seed=number)
        for place in ("new-ecgs", "records"):
            write_record(folder / place, f"ecg{number:02d}", signal, fs=400, dx=None)
    rows = [f"ecg{number:02d},patient-{number // 2}" for number in range(24)]
    labels = [f"ecg{number:02d},{CODES[number % len(CODES)]},{number % 5},{380 + number},sinus" for number in range(24)]
    text = "\n".join(["record,codes,fold,qt,rhythm", *labels])
    (folder / "labels.csv").write_text(text + "\n", encoding="utf-8")
    np.save(folder / "numbers.npy", pulses_uv(5000, seed=5) / 1000)
    (folder / "patients.csv").write_text("\n".join(["record,patient_id", *rows]) + "\n", encoding="utf-8")


def _write_ptbxl(folder: Path) -> None:
    store, run = folder / "ptb-xl.zarr", folder / "superclasses"
    table = _write_release(folder / "ptb-xl")
    build_cache([folder / "ptb-xl"], store, StoreConfig(), labels=[table])
    train(store, folder=run, options=QUICK | {"task": "ptbxl-superdiagnostic"}, model_options=TINY)
    predict([store], folder / "answers-ptb-xl", run)


def _write_exports(folder: Path) -> None:
    for name, seed, fs in (("one_hr", 31, 500), ("one_lr", 31, 100), ("drafts/two", 32, 500)):
        path = folder / "exports" / name
        write_record(path.parent, path.name, pulses_uv(10 * fs, fs=fs, seed=seed), fs=fs)
    (folder / "numbers").mkdir()
    np.save(folder / "numbers" / "three.npy", pulses_uv(5000, seed=33) / 1000)


def _write_release(folder: Path) -> Path:
    lines = ["ecg_id,patient_id,age,sex,site,device,recording_date,scp_codes,strat_fold,filename_lr,filename_hr"]
    for number in range(1, 31):
        name = f"records500/00000/{number:05d}_hr"
        record = (folder / name).parent
        header = write_record(record, f"{number:05d}_hr", pulses_uv(5000, seed=number), dx=None, age=None, sex=None)
        code = ("NORM", "IMI", "NDT", "LVH", "CLBBB")[number % 5]
        facts = f"{number},{number}.0,{50 + number}.0,{number % 2},1.0,CS-12,1990-01-{number:02d} 10:00:00"
        fold = (number - 1) // 5 + 5  # 5 to 10, each with every superclass
        lines.append(f"{facts},\"{{'{code}': 100.0, 'SR': 0.0}}\",{fold},records100/00000/{number:05d}_lr,{name}")
        assert header.is_file()
    (folder / "ptbxl_database.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "ptbxl_database.csv"


def begin_page(page: str, prepared: Path, folder: Path) -> None:
    """A copy of it for one page."""
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    for name in MADE_BY_THE_PAGE.get(page, ()):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
