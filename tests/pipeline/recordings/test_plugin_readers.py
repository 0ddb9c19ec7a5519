"""Readers from outside: found beside our own, asked where we are not sure, and fenced off where they fail."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ecg12.commands import main as program
from ecg12.ecg.errors import InputError, PluginError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import find_inputs, name_inputs
from ecg12.pipeline.recordings.reader_registry import read_input
from ecg12.pipeline.recordings.set_aside import NotLookedAt
from ecg12.pipeline.recordings.tarballs import unpacked
from tests.pipeline.plugins.examples import example_entry_points, forget, on_path, register, write_package

READER = "ecg_plus.readers:JsonEcg"

ODD = """
import numpy as np
from ecg12.ecg.signals.recording import make_recording

class Any:
    name = "anything"
    def sniff(self, head, name):
        return True
    def read(self, path):
        raise KeyError("beat\\n 7")

class Other(Any):
    name = "something else"

class Array(Any):
    name = "an array"
    def read(self, path):
        return np.zeros((12, 5000))

class Ends(Any):
    def read(self, path):
        raise SystemExit(3)

class Fails(Any):
    name = "failing"
    def sniff(self, head, name):
        return head[9]

class NoName:
    def sniff(self, head, name):
        return True
    def read(self, path):
        return None

class NoSniff:
    name = "x"
    def read(self, path):
        return None
"""


def write_json(path: Path, seed: int = 0, leads: tuple[str, ...] = LEADS) -> Path:
    """As a device's program exports it, hundredths of a millivolt and all."""
    values = np.random.default_rng(seed).normal(0, 0.3, (len(leads), 2500)).round(3)
    stated = {"format": "json-ecg", "hz": 250, "age": 61, "millivolts": dict(zip(leads, values.tolist(), strict=True))}
    path.write_text(json.dumps(stated))
    return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "site"
    write_package(folder)
    (folder / "odd_readers.py").write_text(ODD)
    with on_path(folder):
        yield folder
    forget("odd_readers")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Two recordings of that format, one cut short, a table of ours, and others."""
    folder = tmp_path / "records"
    (folder / "ward").mkdir(parents=True)
    write_json(folder / "one.ecgj")
    write_json(folder / "ward" / "two.json", seed=1)
    (folder / "short.ecgj").write_bytes((folder / "one.ecgj").read_bytes()[:300])
    lines = [",".join(LEADS), *(",".join(f"{x:.3f}" for x in row) for row in np.eye(12).repeat(250, 0))]
    (folder / "table.csv").write_text("\n".join(lines))
    (folder / "other.json").write_text('{"a": 1, "b": [2]}')
    (folder / ".hidden.ecgj").write_bytes((folder / "one.ecgj").read_bytes())
    (folder / "notes.txt").write_text("seen by nobody\n")
    return folder


def find(*inputs: Path, readers: tuple[str, ...] = (), **told: object) -> tuple[dict[str, str], list[NotLookedAt]]:
    aside: list[NotLookedAt] = []
    config = InputConfig(readers=readers, **told)
    return {name: one.kind for name, one in name_inputs(find_inputs(inputs, config, aside))}, aside


@pytest.mark.usefixtures("site")
class TestFinding:
    def test_without_it_the_files_are_set_aside(self, records: Path) -> None:
        found, aside = find(records)
        assert found == {"table": "table"}
        assert {one.relative for one in aside} >= {"one.ecgj", "ward/two.json", "other.json"}

    def test_with_it_they_are_recordings_and_the_rest_is_counted(self, records: Path) -> None:
        found, aside = find(records, readers=(READER,))
        assert found == {"one": READER, "two": READER, "short": READER, "table": "table"}
        assert {one.relative: one.reason for one in aside} == {
            ".hidden.ecgj": "hidden file",
            "notes.txt": "text",
            "other.json": "JSON file",
        }

    def test_named_one_by_one(self, records: Path) -> None:
        found, _ = find(records / "one.ecgj", records / "table.csv", records / "notes.txt", readers=(READER,))
        assert found == {"one": READER, "table": "table", "notes": "table"}

    def test_a_recording_is_what_the_file_says(self, records: Path) -> None:
        (one,) = find_inputs([records / "one.ecgj"], InputConfig(readers=(READER,)))
        recording = read_input(one, InputConfig(), "one")
        assert (recording.fs, recording.leads, recording.age, recording.name) == (250, LEADS, 61, "one")
        stated = json.loads((records / "one.ecgj").read_text())["millivolts"]
        np.testing.assert_allclose(recording.signal_uv, 1000 * np.array([stated[lead] for lead in LEADS]), rtol=1e-6)

    def test_in_a_tarball(self, records: Path, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "r.tar.gz", "w:gz") as tar:
            tar.add(records, "r")
        with unpacked([tmp_path / "r.tar.gz"], tmp_path / "work") as folders:
            found, aside = find(*folders, readers=(READER,))
        assert found == {"one": READER, "two": READER, "short": READER, "table": "table"}
        assert len(aside) == 3

    def test_an_installed_one_takes_part_unasked(self, site: Path, records: Path) -> None:
        register(site, *example_entry_points())
        assert find(records)[0]["one"] == "plugin:json-ecg"
        assert find(records, readers=("json-ecg",))[0]["one"] == "plugin:json-ecg"
        assert find(records, readers=(READER,))[0]["one"] == READER  # named and installed, it is one reader

    def test_an_installed_one_that_is_broken_is_left_out_and_said(
        self, site: Path, records: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        register(site, ("ecg12.readers", "gone", "no_such_module:Reader"))
        assert find(records)[0] == {"table": "table"}
        assert "reader plugin:gone: no module no_such_module; looked for in" in caplog.text
        assert ": left out" in caplog.text

    def test_ours_goes_first_where_it_is_sure_which_is_said(
        self, records: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        found, aside = find(records, readers=("odd_readers:Any",))
        assert found.pop("table") == "table"
        assert set(found.values()) == {"odd_readers:Any"}
        assert [one.relative for one in aside] == [".hidden.ecgj"]
        assert caplog.messages == [
            "reader odd_readers:Any claims table.csv, which a reader of this program takes: it goes first"
        ]

    def test_two_that_claim_a_file_are_its_error(self, records: Path) -> None:
        one = find_inputs([records / "one.ecgj"], InputConfig(readers=("odd_readers:Any", "odd_readers:Other")))[0]
        with pytest.raises(SignalError, match=r"^one\.ecgj: claimed by the readers odd_readers:Any and odd_readers:O"):
            read_input(one, InputConfig(), "one")

    def test_one_that_fails_to_tell_is_said_once_and_not_asked(
        self, records: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (records / "tiny.bin").write_bytes(b"\x01\x02")
        found, _ = find(records, readers=("odd_readers:Fails",))
        assert "tiny.bin" not in found
        (message,) = [text for text in caplog.messages if "failed to tell" in text]
        assert "tiny.bin (IndexError: index out of range)" in message

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("odd_readers:NoName", "has no name; expected what its format is called"),
            ("odd_readers:NoSniff", "is the class NoSniff; expected a class with sniff and read"),
            ("odd_readers:np", "is a module; expected a class with sniff and read"),
            ("odd_readers:Gone", "has no Gone"),
            ("no_such_module:Reader", "no module no_such_module; looked for in"),
            ("muse", r"reader 'muse': expected package.module:Class, or an installed one \(there: none\)"),
        ],
    )
    def test_what_is_no_reader(self, name: str, message: str, records: Path) -> None:
        with pytest.raises(PluginError, match=message):
            find(records, readers=(name,))

    def test_a_folder_without_any_names_the_formats(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=r"\.npy or \.mat files, or JSON ECG$"):
            find(tmp_path / "empty", readers=(READER,))


@pytest.mark.usefixtures("site")
class TestReading:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("Any", r"^one\.ecgj: cannot be read as anything by reader odd_readers:Any \(KeyError: 'beat\\n 7'\); exp"),
            ("Ends", r"^one\.ecgj: reader odd_readers:Ends wanted to end the program \(SystemExit: 3\); expected"),
            ("Array", r"^one\.ecgj: reader odd_readers:Array gives a ndarray; expected what make_recording makes"),
        ],
    )
    def test_what_it_raises_is_one_line(self, name: str, message: str, records: Path) -> None:
        (one,) = find_inputs([records / "one.ecgj"], InputConfig(readers=(f"odd_readers:{name}",)))
        with pytest.raises(SignalError, match=message) as caught:
            read_input(one, InputConfig(), "one")
        assert "\n" not in str(caught.value)

    def test_predict_reads_the_good_ones_and_says_the_others(self, records: Path, run: Path, tmp_path: Path) -> None:
        command = ["predict", records, "--model", run, "--output", tmp_path / "p", "--reader", READER, "--keep-flat"]
        result = CliRunner().invoke(program.main, [*map(str, command), "--fs", "250", "--units", "mV"])
        assert result.exit_code == 1
        assert "3 predictions in" in result.output
        assert f"skipped short: short.ecgj: cannot be read as JSON ECG by reader {READER} (JSON" in result.output
        assert "3 files not looked at" in result.output
        assert "Traceback" not in result.output
        assert {path.stem for path in (tmp_path / "p").glob("*.csv")} == {"one", "two", "table", "predictions"}

    def test_plot_draws_them(self, records: Path, tmp_path: Path) -> None:
        command = ["plot", records / "one.ecgj", "--output", tmp_path / "p", "--reader", READER, "--dpi", 40]
        result = CliRunner().invoke(program.main, list(map(str, command)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert (tmp_path / "p" / "one.png").is_file()
