"""Pictures from files, folders, tarballs and stores: each recording a file, true to its form, nothing overwritten."""

import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.drawing.paper import PaperConfig
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.pictures.plot import plot, read_stored
from ecg12.pipeline.prediction.predict import predict
from tests.pipeline.formats.files import write_edf, write_table
from tests.records import pulses_uv, write_record

DPI = 40.0


def test_a_folder_a_file_and_a_tarball(tmp_path: Path) -> None:
    write_record(tmp_path / "in" / "deep", "A0001")
    write_edf(tmp_path / "in" / "two.edf", pulses_uv(500))
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(tmp_path / "in", ".")
    for records, place, names in (
        ([str(tmp_path / "in")], None, {"A0001", "two"}),
        ([str(tmp_path / "in" / "deep" / "A0001")], None, {"A0001"}),
        ([], tmp_path / "all.tar", {"A0001", "two"}),
        (["two"], tmp_path / "all.tar", {"two"}),
    ):
        summary = plot(records, tmp_path / "out", place=place, dpi=DPI, force=True)
        assert {path.stem for path in summary.written} == names
        assert summary.rejects == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["A0001.png", "two.png"]


def test_records_of_a_store_with_their_predictions(simulated_store: Path, run: Path, tmp_path: Path) -> None:
    predict([simulated_store], tmp_path / "predictions", run)
    options = {"place": simulated_store, "predictions": tmp_path / "predictions", "dpi": DPI, "form": "svg"}
    summary = plot(["HR00001"], tmp_path / "out", **options)
    assert [path.name for path in summary.written] == ["HR00001.svg"]
    with pytest.raises(InputError, match=r"HR00001\.svg: is there already; choose another --output, or --force"):
        plot(["HR00001"], tmp_path / "out", **options)
    (tmp_path / "predictions" / "HR00001.csv").unlink()
    summary = plot(["HR00001"], tmp_path / "out", force=True, **options)
    assert "HR00001.csv: missing; expected a Challenge CSV" in summary.rejects[0].reason


def test_a_stored_recording_is_the_one_that_was_read(tmp_path: Path) -> None:
    header = write_record(tmp_path / "in", "A0001", age="56")
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(fs=500))
    stored = read_stored(Store(tmp_path / "s.zarr"), 0)
    read = read_wfdb(header.with_suffix(".hea"))
    assert (stored.age, stored.sex, stored.dx_codes) == (56, "Female", ("426783006",))
    assert (stored.age, stored.sex, stored.dx_codes) == (read.age, read.sex, read.dx_codes)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_forms_are_what_they_say_and_the_same_every_time(tmp_path: Path, form: str) -> None:
    write_record(tmp_path / "in", "A0001")
    for folder in ("one", "other"):
        plot([str(tmp_path / "in")], tmp_path / folder, form=form, dpi=DPI)
    content = (tmp_path / "one" / f"A0001.{form}").read_bytes()
    assert content == (tmp_path / "other" / f"A0001.{form}").read_bytes()
    if form == "png":
        with Image.open(tmp_path / "one" / "A0001.png") as image:
            assert image.size == (467, 330)  # A4 at 40 dpi
    elif form == "svg":
        root = ElementTree.fromstring(content)
        points = [float(root.attrib[side].removesuffix("pt")) for side in ("width", "height")]
        assert points == pytest.approx([297 / 25.4 * 72, 210 / 25.4 * 72], abs=0.01)
    else:
        assert content.startswith(b"%PDF")


def test_what_cannot_be_drawn_is_named_and_the_others_are(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "fine")
    write_record(tmp_path / "in", "short", pulses_uv(500))
    write_table(tmp_path / "in" / "untold.csv", pulses_uv(500))
    summary = plot([str(tmp_path / "in")], tmp_path / "out", config=PaperConfig(start_s=5), dpi=DPI)
    assert [path.stem for path in summary.written] == ["fine"]
    reasons = {reject.record: reject.reason for reject in summary.rejects}
    assert reasons["short"] == "short: start at 5 s; expected less than its 1 s"
    assert "states no sampling frequency; tell it with --fs" in reasons["untold"]
    told = InputConfig(fs=500, units="mV")
    assert not plot([str(tmp_path / "in")], tmp_path / "out2", told=told, dpi=DPI).rejects


def test_bad_arguments_are_named(simulated_store: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A0001")
    for records, options, kind, message in (
        (["A0002"], {"place": tmp_path / "in"}, InputError, "no recording called 'A0002' among 1; did you mean A0001?"),
        ([str(simulated_store)], {}, InputError, "a store; name it with --from, and the records in it"),
        (["x"], {"form": "gif"}, ConfigError, "form is 'gif'; expected png, svg, pdf"),
        (["x"], {"dpi": 1}, ConfigError, "dpi is 1; expected 20 to 2,400"),
        ([str(tmp_path / "x")], {}, InputError, "x: does not exist"),
    ):
        with pytest.raises(kind, match=message):
            plot(records, tmp_path / "out", **options)


def test_what_is_no_recording_is_counted(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "fine", pulses_uv(2000))
    (tmp_path / "in" / "notes.pdf").write_bytes(b"%PDF-1.7")
    summary = plot([str(tmp_path / "in")], tmp_path / "out", dpi=20)
    assert [(one.relative, one.reason) for one in summary.aside] == [("notes.pdf", "PDF")]
    assert len(summary.written) == 1
