"""Fixtures every test may use."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage import drivers, location
from ecg12.cache.storage.location import RemotePath
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.simulate import PATIENTS, simulate
from tests.browser import NAMES, find_chromium, run_chromium
from tests.pipeline.http_server import Server
from tests.pipeline.published import Published, publish
from tests.pipeline.task_runs import RHYTHM
from tests.s3_server import S3Server

settings.register_profile("any machine", deadline=None)  # an example may take long because others are at work
settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real records and reference files; a test that wants it is skipped where it is missing.

    Unless ECG_REQUIRE_SHARED is set, as the project's own CI does: there it fails.
    """
    path = Path(os.environ.get("ECG_SHARED", REPOSITORY.parent / "shared"))
    if not (path / "data" / "challenge2020").is_dir():
        missing = pytest.fail if os.environ.get("ECG_REQUIRE_SHARED") else pytest.skip
        missing(f"needs the real records: no data/challenge2020 in {path} (set ECG_SHARED)")
    return path


TINY = {"net_filter_size": (4, 6), "net_seq_length": (256, 16), "dropout_rate": 0.0}
"""A network that learns next to nothing, quickly."""


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty simulated records of all six datasets, none longer than 12 s, with their table of patients."""
    folder = tmp_path_factory.mktemp("simulated") / "corpus"
    simulate(folder, 80, seed=11, max_duration_s=12)
    return folder


@pytest.fixture(scope="session")
def simulated_store(simulated: Path) -> Path:
    """The store of `simulated`; tests only read it."""
    path = simulated.parent / "ecg.zarr"
    build_cache([simulated], path, StoreConfig(), patients=[simulated / PATIENTS])
    return path


@pytest.fixture(scope="session")
def run(simulated_store: Path) -> Path:
    """A run folder of three epochs on `simulated_store`; tests only read it."""
    from ecg12.pipeline.training.train import train  # here, for tests without torch are also run where there is none

    folder = simulated_store.parent / "run"
    train(simulated_store, folder=folder, options={"epochs": 3, "seed": 5}, model_options=TINY)
    return folder


@pytest.fixture(scope="session")
def task_runs(simulated_store: Path) -> dict[str, Path]:
    """Run folders of other tasks than the Challenge's, by their names: sex, age and rhythm; tests only read them."""
    from ecg12.pipeline.training.train import train

    parent = simulated_store.parent / "tasks"
    parent.mkdir()
    (parent / "rhythm.toml").write_text(RHYTHM)
    for name, task in {"sex": "sex", "age": "age", "rhythm": str(parent / "rhythm.toml")}.items():
        options = {"epochs": 1, "seed": 5, "task": task}
        train(simulated_store, folder=parent / name, options=options, model_options=TINY)
    return {name: parent / name for name in ("sex", "age", "rhythm")}


@pytest.fixture(scope="session")
def real_store(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the 486 real records with their patients, built once a session; not to be changed."""
    store = tmp_path_factory.mktemp("real") / "real.zarr"
    records = shared / "data" / "challenge2020"
    build_cache([records], store, StoreConfig(), patients=[records / "ptbxl_patients.csv"])
    return store


@pytest.fixture(scope="session")
def published() -> Published:
    """A simulated publication of the six datasets; tests only read it."""
    return publish()


@pytest.fixture
def release_server(published: Published) -> Iterator[Server]:
    """A server of the simulated release."""
    with Server(dict(published.release)) as server:
        yield server


@pytest.fixture
def tarball_server(published: Published) -> Iterator[Server]:
    """A server of the simulated tarballs."""
    with Server(dict(published.tarballs)) as server:
        yield server


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """A certificate for 127.0.0.1 that nobody has signed but itself, with its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs the program openssl to make a certificate")
    pem = tmp_path / "self-signed.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(pem), "-out", f"{pem}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    pem.write_text(pem.read_text() + Path(f"{pem}.crt").read_text())
    return str(pem)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server of S3 with a bucket called `bucket`, known to drivers by the environment; making one takes a second."""
    with S3Server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        drivers.forget_drivers()
        drivers.driver_of("s3").mkdir("bucket")
        yield server
        driver = drivers.driver_of("s3")
        if driver._s3 is not None:
            type(driver).close_session(driver.loop, driver._s3)
        drivers.forget_drivers()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The same with an empty bucket and no faults; and there are no pauses before another try."""
    monkeypatch.setattr(location, "PAUSE_S", 0.0)
    s3_server.reset()
    driver = drivers.driver_of("s3")
    names = driver.find("bucket")
    if names:
        driver.rm(names)
    s3_server.reset()
    return s3_server


@pytest.fixture
def in_memory() -> Iterator[RemotePath]:
    """An empty place of fsspec's memory."""
    fsspec.filesystem("memory").store.clear()
    yield RemotePath("memory://place")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; a test that wants it is skipped where there is none.

    Unless ECG_REQUIRE_BROWSER is set, as the project's own CI does: there it fails. While it is open, playwright's
    event loop runs in this thread, and nothing else can run one: so no longer than a module's tests.
    """
    program = find_chromium()
    if program is None:
        missing = pytest.fail if os.environ.get("ECG_REQUIRE_BROWSER") else pytest.skip
        missing(f"needs a browser: none of {', '.join(NAMES)} is installed")
    with run_chromium(program) as chromium:
        yield chromium
