"""The door to `download` and `bench`: exact kwargs, summaries in words, errors in one line."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from click.testing import Result

from ecg12.commands.download import echo_listed
from ecg12.commands.shared.options import available_cores
from ecg12.commands.shared.progress import Bar
from ecg12.pipeline.bench.row import BenchRow
from ecg12.pipeline.download import download as download_module
from ecg12.pipeline.download.download import DownloadConfig
from ecg12.pipeline.http.wanted_files import TransferConfig
from tests.commands.test_cli import ROOT, invoke, kwargs_of
from tests.pipeline.http_server import Act, Server
from tests.pipeline.published import Published, tree


def test_download_by_default() -> None:
    args, kwargs = kwargs_of("pipeline.download.download.download", "download")
    assert args == (Path("data"), DownloadConfig())
    assert kwargs == {"transfer": TransferConfig(), "workers": available_cores(), "progress": Bar}
    args, _ = kwargs_of("pipeline.download.download.download", "download", "--verify")
    assert args == (Path("data"), DownloadConfig(verify=True))


def test_download_with_every_option() -> None:
    line = (
        "download --output d --datasets cpsc,georgia --source tarballs --mirror http://a --mirror http://b "
        "--verify --connections 3 --max-file-size 2.5GB --keep-archives --workers 2"
    )
    args, kwargs = kwargs_of("pipeline.download.download.download", *line.split())
    config = DownloadConfig(
        datasets=("cpsc", "georgia"),
        source="tarballs",
        mirrors=("http://a", "http://b"),
        verify=True,
        keep_archives=True,
    )
    assert args == (Path("d"), config)
    transfer = TransferConfig(connections=3, max_file_bytes=2_500_000_000)
    assert kwargs == {"transfer": transfer, "workers": 2, "progress": Bar}
    args, _ = kwargs_of(
        "pipeline.download.download.download", *"download --release ptb-xl --datasets records100".split()
    )
    assert args == (Path("data"), DownloadConfig(release="ptb-xl", datasets=("records100",)))
    args, _ = kwargs_of("pipeline.download.download.download", *"download --from x".split())
    assert args == (Path("data"), DownloadConfig(given=Path("x")))


def test_weights_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.download.published_weights.fetch_weights", "download", "--weights", "w")
    assert args == (Path("w"),)
    assert kwargs == {"weight_set": None, "url": None, "transfer": TransferConfig(), "progress": Bar}
    line = "download --weights w --set mdls --url http://a --connections 2 --max-file-size 7"
    _, kwargs = kwargs_of("pipeline.download.published_weights.fetch_weights", *line.split())
    assert kwargs == {
        "weight_set": "mdls",
        "url": "http://a",
        "transfer": TransferConfig(connections=2, max_file_bytes=7),
        "progress": Bar,
    }


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("1", 1), ("500MB", 500_000_000), ("2GiB", 2 * 1024**3), ("1.5 k", 1500), ("3Ki", 3072), ("1tb", 10**12)],
)
def test_a_number_of_bytes(text: str, n_bytes: int) -> None:
    _, kwargs = kwargs_of("pipeline.download.download.download", "download", "--max-file-size", text)
    assert kwargs["transfer"].max_file_bytes == n_bytes


def test_bench_arguments() -> None:
    _, kwargs = kwargs_of("pipeline.bench.download.run", "bench", "download")
    expected = {"n_files": 5000, "delay_s": 0.02, "connections": 16, "folder": None, "progress": Bar}
    assert kwargs == expected
    line = "bench download --files 50 --delay-ms 1 --connections 2 --folder f"
    _, kwargs = kwargs_of("pipeline.bench.download.run", *line.split())
    assert kwargs == {
        "n_files": 50,
        "delay_s": 0.001,
        "connections": 2,
        "folder": Path("f"),
        "progress": Bar,
    }


def test_bench_in_words() -> None:
    row = BenchRow(what="one at a time", seconds=2.0, n_files=10, n_bytes=4_000_000, ratio=1.0)
    with mock.patch("ecg12.pipeline.bench.download.run", return_value=[row]):
        lines = invoke("bench", "download").output.splitlines()
    assert lines[0].split() == ["what", "seconds", "files/s", "MB/s", "times", "the", "baseline"]
    assert lines[1].split() == ["one", "at", "a", "time", "2.000", "5.000", "2.000", "1.000"]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("download --datasets chapman", 1, "Error: datasets chapman; expected some of cpsc, cpsc-extra"),
        ("download --mirror ftp://x", 1, "Error: mirror 'ftp://x': not an address; expected http://… or https://…"),
        ("download --from x --source release", 1, "Error: --from takes files on disk; expected it without --source"),
        ("download --from nowhere", 1, "Error: nowhere: does not exist; expected tarballs, a release, or a folder"),
        (
            "download --release ptb-xl --datasets cpsc",
            1,
            "Error: datasets cpsc; expected some of records500, records100",
        ),
        ("download --release 2021", 2, "'2021' is not one of 'challenge-2020', 'challenge-2021', 'ptb-xl'"),
        ("download --weights w --release ptb-xl", 2, "--weights brings no data; leave out release"),
        ("download --source zip", 2, "'zip' is not one of 'release', 'tarballs'"),
        ("download --max-file-size big", 2, "'big' is not a number of bytes such as 500MB, 2GiB or 1000000"),
        ("download --max-file-size 5iB", 2, "'5iB' is not a number of bytes"),
        ("download --max-file-size 0.1", 2, "'0.1' is less than one byte"),
        ("download --connections 0", 2, "0 is not in the range 1<=x<=256"),
        ("download --set mdl", 2, "Error: --set and --url are about --weights DIR, which is missing"),
        ("download --weights w --verify --from x", 2, "Error: --weights brings no data; leave out given, verify"),
        ("download --weights w --url x", 1, "Error: mirror 'x': not an address"),
    ],
)
def test_bad_options_are_told(
    line: str, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*line.split())
    assert result.exit_code == code
    assert message in result.output


@pytest.fixture
def table(published: Published, monkeypatch: pytest.MonkeyPatch) -> Published:
    """The simulated publication in the place of the real table."""
    monkeypatch.setitem(download_module.download.__kwdefaults__, "sources", published.sources)
    monkeypatch.setitem(download_module.download.__kwdefaults__, "table", None)
    return published


def test_a_download_in_words(table: Published, release_server: Server, tmp_path: Path) -> None:
    def run(*options: object) -> Result:
        return invoke("download", "--output", tmp_path, "--mirror", release_server.url, *options)

    result = run("--verify")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.split(r"\s{2,}", lines[0]) == (
        ["dataset", "records", "of", "files", "size", "of", "fetched", "verified", "repaired", "missing"]
    )
    row = next(line for line in lines if line.startswith("ptb-xl"))
    assert row.split() == ["ptb-xl", "24", "24", "49", "1.9", "MB", "1.9", "MB", "49", "49", "0", "0"]
    assert "48 records have the checksums that their headers state, 0 have not" in lines
    assert re.fullmatch(rf"{tmp_path}: complete \(\d+\.\d s\)", lines[-1])
    assert "104 files were proven by an earlier run and not touched since; --verify reads them again" in run().output
    name = next(iter(table.of("ptb")))
    (tmp_path / name).unlink()
    del release_server.files[name]
    failed = run()
    assert failed.exit_code == 1
    assert (
        f"ptb: {name} is missing: {release_server.url}: status 404 Not Found; the same command tries" in failed.output
    )
    assert f"Error: {tmp_path}: not complete: 1 problem(s)" in failed.output


def test_many_lines_are_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    echo_listed([f"line {number}" for number in range(1025)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[:20] == [f"line {number}" for number in range(20)]
    assert lines[20:] == ["… and 1,005 more, all of them in download-manifest.json"]


def test_the_table_of_patients_in_words(
    published: Published, release_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(download_module.download.__kwdefaults__, "sources", published.sources)
    line = ["download", "--output", tmp_path / "data", "--mirror", release_server.url, "--datasets", "ptb-xl"]
    lacking = invoke(*line)
    assert lacking.exit_code == 0, lacking.output
    assert "ptbxl_database.csv, the table of ptb-xl's patients, is missing: " in lacking.output
    assert "fetch it from https://physionet.org/files/ptb-xl/1.0.3/ptbxl_database.csv" in lacking.output
    table = b"ecg_id,patient_id\n1,7.0\n"
    digest = hashlib.sha256(table).hexdigest()
    release_server.files |= {
        "ptbxl_database.csv": table,
        "ptbxl_database.csv.sha256": f"{digest}  ptbxl_database.csv\n".encode(),
    }
    said = f"patients: {tmp_path}/data/ptbxl_database.csv: "
    assert f"{said}fetched, and proven by the list of its release" in invoke(*line).output
    assert f"{said}proven by an earlier run and not touched since" in invoke(*line).output


def test_tarballs_in_words(table: Published, tarball_server: Server, tmp_path: Path) -> None:
    line = ["download", "--output", tmp_path, "--source", "tarballs", "--mirror", tarball_server.url]
    result = invoke(*line, "--datasets", "cpsc ptb")
    assert result.exit_code == 0, result.output
    assert re.search(r"^cpsc: tarball with MD5 [0-9a-f]{32}, the same in both issues$", result.output, re.MULTILINE)
    assert re.search(r"^ptb: tarball with MD5 [0-9a-f]{32}, of the last issue$", result.output, re.MULTILINE)


def test_a_wrong_header_is_told(table: Published, tmp_path: Path) -> None:
    root = table.write(tmp_path / "given")
    header = next(path for path in sorted((root / "training" / "ptb").rglob("*.hea")))
    header.write_text(header.read_text().replace(" 0 II\n", "1 0 II\n"))
    (root / "SHA256SUMS.txt").unlink()
    result = invoke("download", "--output", tmp_path / "data", "--from", root, "--datasets", "ptb", "--verify")
    assert result.exit_code == 1
    assert "the samples do not have the header's checksums; not taken" in result.output


def test_weights_in_words(tmp_path: Path) -> None:
    with Server({}) as server:
        result = invoke("download", "--weights", tmp_path, "--set", "mdl", "--url", server.url)
        assert result.exit_code == 1
        assert "mdl: nothing of it was kept: " in result.output
        assert f"Error: {tmp_path}: 1 run folder(s) could not be had" in result.output
        for name in ("config.json", "model.pth", "pretrain_config.json", "pretrain_model.pth", "history.csv"):
            server.files[f"mdl/{name}"] = b"x"
        server.files["mdl/pretrain_history.csv"] = b"x"
        line = ["download", "--weights", tmp_path, "--set", "mdl", "--url", server.url]
        assert f"{tmp_path / 'mdl'}: came; the digests seen are recorded, none are published" in invoke(*line).output
        assert f"{tmp_path / 'mdl'}: is as it came" in invoke(*line).output
        with mock.patch("ecg12.pipeline.http.transfer.HttpFetcher.fetch", side_effect=KeyboardInterrupt):
            stopped = invoke(*line[:3], "--url", server.url)
    assert stopped.exit_code == 130
    assert "interrupted; the same command goes on" in stopped.output


def test_ctrl_c_ends_with_a_word_and_no_traceback(published: Published, tmp_path: Path) -> None:
    """The real program against the real table: what it fetched stays, and it says how to go on."""
    with Server(dict(published.release), pace_s=0.02) as server:
        line = [sys.executable, str(ROOT / "cli.py"), "download", "--mirror", server.url, "--output", str(tmp_path)]
        heard = signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells have what they start with & ignore it
        try:
            process = subprocess.Popen(
                line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
            )
        finally:
            signal.signal(signal.SIGINT, heard)
        deadline = time.monotonic() + 60
        while not any(tmp_path.rglob("*.mat")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "interrupted; what has come is kept, and the same command goes on from there" in out
    assert "Traceback" not in err + out
    assert "download: " in err
    assert all(body == published.release[name] for name, body in tree(tmp_path).items() if not name.endswith(".part"))


def test_an_authority_of_ones_own_is_named_and_tls_is_not_left(certificate: str, tmp_path: Path) -> None:
    """The real program in a network whose proxy signs for itself."""
    files = ("config.json", "model.pth", "pretrain_config.json", "pretrain_model.pth", "history.csv")
    with (
        Server({"down": b"x"}) as plain,
        Server({f"mdl/{name}": b"x" for name in files}, certificate=certificate) as safe,
    ):
        safe.act("mdl/pretrain_history.csv", Act(status=302, headers={"Location": f"{plain.url}/down"}))
        line = [sys.executable, str(ROOT / "cli.py"), "download", "--set", "mdl", "--url", safe.url, "--weights"]

        def run(folder: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*line, str(tmp_path / folder)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env={**os.environ, **environment},
            )

        refused = run("refused", {})
        assert refused.returncode == 1
        assert "its TLS certificate is not accepted" in refused.stderr
        assert not safe.seen
        accepted = run("accepted", {"SSL_CERT_FILE": f"{certificate}.crt"})
        assert f"a redirect from https to {plain.url}/down is refused" in accepted.stderr
        assert len(safe.seen) == 6
        assert not plain.seen
        safe.files["mdl/pretrain_history.csv"] = b"x"
        assert run("accepted", {"SSL_CERT_FILE": f"{certificate}.crt"}).returncode == 0
