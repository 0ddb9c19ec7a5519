"""docs/python.md: each block runs, in order, in one namespace; its last one is what is promised."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ecg12
from docs.write_names import PAGE, names_text, page_with
from ecg12.pipeline.simulate import simulate
from tests.conftest import TINY
from tests.records import pulses_uv, write_record

HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """(heading above it, text) of each block of Python."""
    page = PAGE.read_text(encoding="utf-8")
    return [
        (HEADING.findall(page[: match.start()])[-1], match[1])
        for match in re.finditer(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's reader has: a store, a run, and the sample."""
    folder = tmp_path_factory.mktemp("page")
    simulate(folder / "corpus", 60, seed=3, max_duration_s=11)
    ecg12.build_store(folder / "corpus", folder / "data" / "ecg.zarr", patients=folder / "corpus" / "patients.csv")
    options: dict[str, Any] = {"epochs": 1, "max_windows_per_record": 1, "precision": "fp32"} | TINY
    ecg12.train(folder / "data" / "ecg.zarr", folder / "runs" / "example", **options)
    sample = folder / "docs" / "sample"
    write_record(sample, "HR00001", pulses_uv(5000, seed=1))
    table = ["# fs: 250", "# units: uV", "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"]
    table += [",".join(map(str, row)) for row in pulses_uv(2500, fs=250, seed=2).T.tolist()]
    (sample / "my-ecg.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return folder


def test_every_block_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))
    names: dict[str, Any] = {"__name__": "page"}
    for heading, text in blocks():
        try:
            exec(compile(text, f"docs/python.md, {heading}", "exec"), names)
        except Exception as error:
            error.add_note(f"in the block under {heading!r}")
            raise
    assert "no store there" in capsys.readouterr().out
    assert np.isfinite(list(names["evaluation"].figures.values())).any()
    assert names["predictions"].names == ("my-ecg", "own", names["store"].names[0])
    np.testing.assert_allclose(names["predictions"].scores[0], names["predictions"].scores[1], atol=1e-3)


def test_lightning_hears_of_each_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook of the recipe comes before the loader begins an epoch, not after."""
    (recipe,) = (text for heading, text in blocks() if heading == "Lightning")
    (first,) = (text for heading, text in blocks() if heading == "Train a network of your own" and "make_net" in text)
    monkeypatch.chdir(folder)
    store = ecg12.open_store("data/ecg.zarr")
    names: dict[str, Any] = {"__name__": "page", "ecg12": ecg12, "store": store, "train_rows": store.split()[0]}
    exec(first.partition("windows = ")[0], names)
    seen: list[list[int]] = []

    class Watched(ecg12.Windows):
        def __iter__(self) -> Any:
            seen.append([])
            for batch in super().__iter__():
                seen[-1] += batch["record"].tolist()
                yield batch

    names["ecg12"] = type("Names", (), {"Windows": Watched})
    exec(recipe, names)
    expected = ecg12.Windows(store, records=names["train_rows"], batch_size=16)
    orders = []
    for epoch in range(2):
        expected.set_epoch(epoch)
        orders.append(torch.cat([batch["record"] for batch in expected]).tolist())
    assert [order for order in seen if order] == orders


def test_the_names_are_those_of_the_page() -> None:
    """A change of what is promised is seen here: `make docs` writes it, and CHANGELOG.md has to say so."""
    assert PAGE.read_text(encoding="utf-8") == page_with(names_text()), "run make docs, and say so in CHANGELOG.md"


def test_every_name_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8").partition("## Every name")[0]
    made_by = {"Evaluation": "evaluate", "Model": "load_model", "Predictions": "predict", "Store": "open_store"}
    for name in ecg12.__all__:
        assert re.search(rf"\b{made_by.get(name, name).replace('TrainedRun', 'train')}\b", page), name


def test_the_changelog_has_this_version() -> None:
    text = (PAGE.parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    assert versions[1][0] == ecg12.__version__
    assert versions[1][1]
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for name in ecg12.__all__:
        assert f"`{name}`" in text, name
