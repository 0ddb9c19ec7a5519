import pickle
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ecg12.cache.storage import location
from ecg12.cache.storage.location import RemotePath, file_sizes, in_parallel, is_url, locate, remove_tree
from ecg12.ecg.errors import RemoteError
from tests.s3_server import KEY, SECRET, Fault


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("data/ecg.zarr", Path("data/ecg.zarr")),
        ("file:///data/ecg.zarr", Path("/data/ecg.zarr")),
        ("a:b", Path("a:b")),
        ("s3:/bucket", Path("s3:/bucket")),
        ("memory://a//b/", RemotePath("memory://a/b")),
        ("MEMORY://a/./b", RemotePath("memory://a/b")),
    ],
)
def test_what_a_text_names(text, place):
    assert locate(text) == place
    assert type(locate(text)) is type(place) or isinstance(place, Path)
    assert is_url(text) == ("://" in text)


def test_the_names_of_pathlib():
    place = RemotePath("memory://bucket/data/A0001.hea")
    assert (place.name, place.stem, place.suffix, str(place.parent)) == (
        "A0001.hea", "A0001", ".hea", "memory://bucket/data"
    )  # fmt: skip
    assert place.parent / "x" / "y" == RemotePath("memory://bucket/data/x/y")
    assert place.with_name("B") == RemotePath("memory://bucket/data/B")
    assert place.with_suffix(".mat") == RemotePath("memory://bucket/data/A0001.mat")
    assert RemotePath("memory://bucket").parent == RemotePath("memory://")
    assert place.absolute() is place
    assert not place.is_symlink()
    assert pickle.loads(pickle.dumps(place)) == place


@pytest.fixture(params=["memory", "s3"])
def place(request):
    if request.param == "memory":
        return request.getfixturevalue("in_memory")
    request.getfixturevalue("s3")
    return RemotePath("s3://bucket/place")


def test_what_is_written_is_there(place):
    one = place / "a" / "one"
    assert not one.exists()
    assert not place.is_dir()
    one.write_text("µ")
    (place / "two").write_bytes(b"12345")
    (place / "empty").write_bytes(b"")
    assert (one.read_text(), one.read_bytes()) == ("µ", b"\xc2\xb5")
    assert (place / "two").read_range(1, 3) == b"23"
    assert (place / "empty").read_bytes() == b""
    assert one.open().read() == "µ"
    assert (place / "two").stat().st_size == 5
    assert place.files() == file_sizes(place) == {"a/one": 2, "empty": 0, "two": 5}
    assert [found.name for found in place.glob("t*")] == ["two"]
    assert (place.exists(), place.is_dir(), place.is_file()) == (True, True, False)
    assert (one.exists(), one.is_dir(), one.is_file()) == (True, False, True)
    one.write_bytes(b"again")
    one.copy_to(place / "b")
    assert (place / "b").read_bytes() == b"again"
    remove_tree(place)
    assert place.files() == {}


def test_only_one_creates(place):
    assert (place / "lock").create(b"mine")
    assert not (place / "lock").create(b"yours")
    assert (place / "lock").create(b"mine")  # its own, if the first answer was lost
    assert (place / "lock").read_bytes() == b"mine"


def test_what_is_not_there(place):
    missing = place / "none"
    for ask in (missing.read_bytes, missing.size, missing.open):
        with pytest.raises(FileNotFoundError) as caught:
            ask()
        assert caught.value.filename == str(missing)
        assert caught.value.strerror == "No such file or directory"
    missing.unlink(missing_ok=True)


def test_a_tree_of_this_machine(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"123")
    assert file_sizes(tmp_path / "a") == {"b/c": 3}
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kind", ["500", "503", "reset"])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "LIST"])
def test_what_passes_is_tried_again(s3, kind, method):
    place = RemotePath("s3://bucket/x/one")
    place.write_bytes(b"1")
    s3.faults = [Fault(kind=kind, method="GET" if method == "LIST" else method, times=2)]
    did = {
        "GET": place.read_bytes,
        "PUT": lambda: place.write_bytes(b"2"),
        "HEAD": place.size,
        "LIST": place.parent.files,
    }[method]()
    assert did == {"GET": b"1", "PUT": None, "HEAD": 1, "LIST": {"one": 1}}[method]
    assert s3.injected == {kind: 2}


def test_access_denied_is_told_at_once_and_without_secrets(s3):
    place = RemotePath("s3://bucket/x/one")
    s3.faults = [Fault(kind="403", times=99)]
    with pytest.raises(RemoteError, match=r"s3://bucket/x/one: cannot be read: access denied .* expected credent") as e:
        place.read_bytes()
    assert s3.injected["403"] == 1
    assert KEY not in str(e.value)
    assert SECRET not in str(e.value)


class Failing(MemoryFileSystem):
    """fsspec's memory, with errors to raise first."""

    errors: list[Exception] = []  # noqa: RUF012 - set by each test

    def cat_file(self, path, start=None, end=None, **options):
        if self.errors:
            raise self.errors.pop(0)
        return super().cat_file(path, start, end, **options)


@pytest.fixture
def failing(in_memory, monkeypatch):
    driver = Failing(skip_instance_cache=True)
    monkeypatch.setattr(location, "driver_of", lambda protocol: driver)
    pauses = []
    monkeypatch.setattr(location.time, "sleep", pauses.append)
    (in_memory / "one").write_bytes(b"1")
    return driver, in_memory / "one", pauses


class OfAServer(Exception):
    """What a driver raises, with a status as gcsfs has it."""

    def __init__(self, code):
        super().__init__(f"status {code} for http://host/one?X-Amz-Signature=abc and {SECRET}:x@host")
        self.code = code


def test_pauses_grow_and_tries_are_bounded(failing):
    driver, one, pauses = failing
    driver.errors = [TimeoutError("slow")] * 3
    assert one.read_bytes() == b"1"
    for pause, longest in zip(pauses, (0.5, 1.0, 2.0), strict=True):
        assert longest / 2 <= pause <= longest
    driver.errors = [TimeoutError("slow")] * 99
    with pytest.raises(RemoteError, match=r"memory://place/one: cannot be read after 4 tries \(TimeoutError: slow\)"):
        one.read_bytes()
    assert len(driver.errors) == 95


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_status_that_passes(failing, code):
    driver, one, pauses = failing
    driver.errors = [OfAServer(code)]
    assert one.read_bytes() == b"1"
    assert len(pauses) == 1


@pytest.mark.parametrize("error", [OfAServer(400), OfAServer(401), ValueError("odd"), KeyError("ContentLength")])
def test_what_does_not_pass_is_told_at_once(failing, error):
    driver, one, pauses = failing
    driver.errors = [error]
    with pytest.raises(RemoteError, match=r"memory://place/one: cannot be read \(") as caught:
        one.read_bytes()
    assert pauses == []
    assert "Signature" not in str(caught.value)


def test_a_cause_tells_the_status(failing):
    driver, one, _ = failing
    error = OSError("no errno")
    error.__cause__ = OfAServer(503)
    driver.errors = [error]
    assert one.read_bytes() == b"1"


def test_no_protocol_no_driver_no_credentials(monkeypatch):
    monkeypatch.setattr(location, "driver_of", location.driver_of.__wrapped__)
    with pytest.raises(RemoteError, match=r"nope://: no such protocol .* expected one of fsspec's, such as s3://"):
        locate("nope://x")

    def missing(protocol, **options):
        raise ImportError(f"Please install {protocol}fs")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(RemoteError, match=r"gs://: its driver is not installed .*; pip install gcsfs"):
        locate("gs://x")
    with pytest.raises(RemoteError, match=r"foo://: its driver is not installed .* that fsspec names for it"):
        locate("foo://x")
    with pytest.raises(RemoteError, match=r"s3://…@bucket/x: a URL with credentials in it") as caught:
        locate(f"s3://{KEY}:{SECRET}@bucket/x")
    assert SECRET not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_driver_that_cannot_create(in_memory, monkeypatch, caplog):
    driver = MemoryFileSystem(skip_instance_cache=True)
    put = driver.pipe_file

    def pipe_file(path, value, mode="overwrite"):
        if mode == "create":
            raise NotImplementedError
        put(path, value)

    monkeypatch.setattr(driver, "pipe_file", pipe_file)
    monkeypatch.setattr(location, "driver_of", lambda protocol: driver)
    assert (in_memory / "lock").create(b"mine")
    assert not (in_memory / "lock").create(b"yours")
    assert "no exclusive creation" in caplog.text


def test_side_by_side_the_first_error_ends_it():
    assert in_parallel(lambda n: n * n, range(40)) == [n * n for n in range(40)]
    began = []

    def fail(number):
        began.append(number)
        if number:
            raise RemoteError(f"number {number}")

    with pytest.raises(RemoteError, match=r"number \d+"):
        in_parallel(fail, range(1000))
    assert len(began) <= 1 + location.REQUESTS_AT_ONCE
