"""Answers in the form of the hosts that really give them: S3, nginx, Apache, old servers and proxies."""

import gzip
import hashlib
import itertools
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.download.download import DownloadConfig, download
from ecg12.pipeline.download.sources import RELEASE_LIST
from ecg12.pipeline.http.hosts import make_hosts
from ecg12.pipeline.http.responses import FailedTry, parse_retry_after, redirected
from ecg12.pipeline.http.transfer import HttpFetcher
from ecg12.pipeline.http.wanted_files import TransferConfig, Wanted
from ecg12.pipeline.runtime.progress import silent
from tests.pipeline.published import FAST, Published, list_of, tree
from tests.pipeline.raw_server import HOSTS, Answerer, Asked, RawServer, chunks, nginx, s3, s3_error

BODY = hashlib.shake_256(b"a file").digest(30_000)
ODD = ["a b.mat", "a+b.mat", "a%20b.mat", "a%.mat", "a#b.mat", "a?b=c&d.mat", "é.mat", "心電図.mat", "a'(!)*~$,;=@.mat"]


def fetch(wanted: list[Wanted], *urls: str, config: TransferConfig = FAST) -> tuple[dict[str, str], dict[str, str]]:
    """Origins of what came, and reasons for what did not, by name."""
    done: dict[str, str] = {}
    failed: dict[str, str] = {}
    HttpFetcher(make_hosts(urls), config).fetch(
        wanted,
        silent("", 0, ""),
        lambda file: done.update({file.wanted.name: file.origin}),
        lambda one, reason: failed.update({one.name: reason}),
    )
    return done, failed


def one(folder: Path, name: str = "f.mat", body: bytes | None = BODY, **options: object) -> Wanted:
    accepted = () if body is None else (hashlib.sha256(body).hexdigest(),)
    return Wanted(path=folder / name, name=name, **{"accepted": accepted, **options})


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
def test_the_release_comes_from_every_kind_of_host(
    host: Callable[[dict[str, bytes]], Answerer], published: Published, tmp_path: Path
) -> None:
    """With an empty file in the list, and its own names that are odd in an address."""
    files = {name: body for name, body in published.release.items() if name != RELEASE_LIST}
    files |= {f"notes/{name}": name.encode() for name in ODD} | {"notes/nothing.txt": b""}
    files[RELEASE_LIST] = list_of(files).replace(b"  ", b" ")
    config = DownloadConfig(datasets=("ptb", "cpsc"), verify=True)
    with RawServer(host(files)) as server:
        options = {"transfer": FAST, "sources": published.sources, "table": None}
        summary = download(tmp_path, replace(config, mirrors=(server.url,)), **options)
    assert (summary.problems, summary.notes) == ((), ())
    others = {name for name in files if not name.startswith("training/")}
    assert tree(tmp_path) == {n: files[n] for n in others | published.of("ptb").keys() | published.of("cpsc").keys()}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
def test_what_no_host_has_is_named(host: Callable[[dict[str, bytes]], Answerer], tmp_path: Path) -> None:
    with RawServer(host({"f.mat": BODY})) as server:
        done, failed = fetch([one(tmp_path), one(tmp_path, "g.mat")], server.url)
    assert list(done) == ["f.mat"]
    word = " (NoSuchKey)" if host is s3 else ""
    assert failed == {"g.mat": f"{server.url}: status 404 Not Found{word}"}
    assert left(tmp_path) == ["f.mat"]


S3_ERRORS = {
    "SlowDown": ("503 Slow Down", "SlowDown", "status 503 Slow Down (SlowDown)"),
    "InternalError": ("500 Internal Server Error", "InternalError", "status 500 Internal Server Error (InternalError)"),
    "AccessDenied": ("403 Forbidden", "AccessDenied", "status 403 Forbidden (AccessDenied)"),
    "another region": (
        "301 Moved Permanently",
        "PermanentRedirect",
        "status 301 Moved Permanently (PermanentRedirect)",
    ),
}


@pytest.mark.parametrize(("status", "code", "said"), S3_ERRORS.values(), ids=S3_ERRORS.keys())
def test_s3s_own_words_are_passed_on(status: str, code: str, said: str, tmp_path: Path) -> None:
    with RawServer(lambda asked: s3_error(status, code, "Please reduce your request rate.")) as server:
        done, failed = fetch([one(tmp_path)], server.url)
    assert (done, failed) == ({}, {"f.mat": f"{server.url}: {said}"})
    assert not left(tmp_path)


def test_s3_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    numbers = itertools.count()
    good = s3({"f.mat": BODY})

    def answer(asked: Asked) -> bytes:
        return s3_error("503 Slow Down", "SlowDown", "") if next(numbers) < 3 else good(asked)

    with RawServer(answer) as server:
        done, failed = fetch([one(tmp_path)], server.url)
    assert (list(done), failed) == (["f.mat"], {})


def test_a_blank_and_a_plus_are_two_files_for_s3(tmp_path: Path) -> None:
    files = {"a b.mat": b"blank", "a+b.mat": b"plus"}
    with RawServer(s3(files)) as server:
        done, _ = fetch([one(tmp_path, name, body) for name, body in files.items()], server.url)
    assert set(done) == files.keys()
    assert {asked.target for asked in server.asked} == {"/a%20b.mat", "/a%2Bb.mat"}


def test_nothing_is_asked_for_packed(tmp_path: Path) -> None:
    with RawServer(nginx({"f.mat": BODY})) as server:
        fetch([one(tmp_path)], server.url)
    assert [asked.headers["accept-encoding"] for asked in server.asked] == ["identity"]


PACKED = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "its old name": ("X-GZip", gzip.compress(BODY)),
    "deflate": ("deflate", zlib.compress(BODY)),
    "deflate without its frame": ("deflate", zlib.compress(BODY)[2:-4]),
    "two members": ("gzip", gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:])),
    "only the word": ("gzip", BODY),
    "identity": ("identity", BODY),
}


def packed(encoding: str, body: bytes, *, length: bool = True) -> Answerer:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n"
    end = f"Content-Length: {len(body)}\r\n\r\n" if length else "Transfer-Encoding: chunked\r\n\r\n"
    return lambda asked: f"{head}{end}".encode() + (body if length else chunks(body))


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize(("encoding", "body"), PACKED.values(), ids=PACKED.keys())
def test_what_comes_packed_is_unpacked(encoding: str, body: bytes, length: bool, tmp_path: Path) -> None:
    with RawServer(packed(encoding, body, length=length)) as server:
        done, failed = fetch([one(tmp_path), one(tmp_path, "unproven", None)], server.url)
    assert (set(done), failed) == ({"f.mat", "unproven"}, {})
    assert (tmp_path / "f.mat").read_bytes() == (tmp_path / "unproven").read_bytes() == BODY


@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        ("br", b"not known", "; it came encoded (br); the wrong file is kept as "),
        ("gzip", gzip.compress(BODY)[:-20], "; it came encoded (gzip); the wrong file"),
        ("gzip", gzip.compress(bytes(20_000_000)), "; it came encoded (gzip); the wrong file"),
    ],
)
def test_what_cannot_be_unpacked_is_wrong(encoding: str, body: bytes, said: str, tmp_path: Path) -> None:
    with RawServer(packed(encoding, body)) as server:
        _, failed = fetch([one(tmp_path, most_bytes=1_000_000)], server.url)
    assert said in failed["f.mat"]
    assert left(tmp_path) == ["f.mat.bad"]


def test_a_bomb_without_a_digest_stays_packed(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    with RawServer(packed("gzip", bomb)) as server:
        fetch([one(tmp_path, body=None, most_bytes=1_000_000)], server.url)
    assert (tmp_path / "f.mat").read_bytes() == bomb


def cut_answers(*lengths: int | None) -> Answerer:
    """HTTP/1.0 answers whose line drops after so many bytes; the last of them for ever."""
    left_over = list(lengths)

    def answer(asked: Asked) -> bytes:
        length = left_over.pop(0) if len(left_over) > 1 else left_over[0]
        return b"HTTP/1.0 200 OK\r\n\r\n" + BODY[:length]

    return answer


def test_an_answer_without_an_end_is_tried_as_often_as_a_bad_line(tmp_path: Path) -> None:
    config = replace(FAST, tries_before_next_host=4)
    with RawServer(cut_answers(100, 9000, 20_000, None)) as server:
        done, failed = fetch([one(tmp_path)], server.url, config=config)
    assert (list(done), failed) == (["f.mat"], {})
    with RawServer(cut_answers(100)) as server:
        _, failed = fetch([one(tmp_path, "g.mat")], server.url, config=config)
    assert "the wrong file is kept as" in failed["g.mat"]
    assert len(server.asked) == 4


def test_without_an_end_and_a_digest_two_answers_must_be_alike(tmp_path: Path) -> None:
    with RawServer(cut_answers(100, 9000, None)) as server:
        done, _ = fetch([one(tmp_path, body=None)], server.url, config=replace(FAST, tries=9))
    assert list(done) == ["f.mat"]
    assert len(server.asked) == 4
    assert (tmp_path / "f.mat").read_bytes() == BODY
    with RawServer(cut_answers(*range(100, 120), None)) as server:
        _, failed = fetch([one(tmp_path, "g.mat", None)], server.url)
    assert failed["g.mat"].endswith("answers that do not tell their end, each another one")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
)
def test_an_empty_file_comes_and_is_none_where_another_is_listed(answer: bytes, tmp_path: Path) -> None:
    with RawServer(lambda asked: answer) as server:
        done, failed = fetch([one(tmp_path, "empty", b""), one(tmp_path), one(tmp_path, "any", None)], server.url)
    assert set(done) == {"empty", "any"}
    assert failed["f.mat"].startswith(f"{server.url}: an empty file; sha256 e3b0c44298fc")
    assert left(tmp_path) == ["any", "empty"]


def test_a_page_that_is_everywhere_litters_nothing(tmp_path: Path) -> None:
    """A captive portal, a maintenance page: right in form, wrong for every file."""
    page = b"<!DOCTYPE html><title>Sign in</title>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=utf-8\r\nContent-Length: {len(page)}\r\n\r\n"
    with RawServer(lambda asked: head.encode() + page) as server:
        wanted = [one(tmp_path), one(tmp_path, "index.html", page)]
        done, failed = fetch(wanted, server.url)
    assert list(done) == ["index.html"]
    assert failed["f.mat"].startswith(f"{server.url}: a web page instead of the file (sha256 ")
    assert left(tmp_path) == ["index.html"]


def test_a_host_that_hangs_up_after_each_answer_without_a_word(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Iterator[bytes]:
        yield f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY

    with RawServer(answer) as server:
        wanted = [one(tmp_path, f"f{number}") for number in range(40)]
        done, failed = fetch(wanted, server.url, config=replace(FAST, connections=2))
    assert (len(done), failed) == (40, {})


def test_a_part_that_is_whole_already_is_only_renamed(tmp_path: Path) -> None:
    """Killed between the last byte and the new name."""
    with RawServer(nginx({"f.mat": BODY})) as server:
        (tmp_path / "f.mat.part").write_bytes(BODY)
        note = {"url": f"{server.url}/f.mat", "validator": '"x"', "total": len(BODY)}
        (tmp_path / "f.mat.part.json").write_text(json.dumps(note))
        done, _ = fetch([one(tmp_path)], server.url)
    assert list(done) == ["f.mat"]
    assert not server.asked
    assert left(tmp_path) == ["f.mat"]


def test_a_rest_is_asked_of_s3_and_nginx_by_what_they_name_it(tmp_path: Path) -> None:
    body = hashlib.shake_256(b"long").digest(2_000_000)
    for host in (s3, nginx):
        with RawServer(host({"f.mat": body})) as server:
            tag = next(
                line for line in server.answer(Asked(target="/f.mat", headers={})).split(b"\r\n") if b"ETag" in line
            )
            (tmp_path / "f.mat.part").write_bytes(body[:1_500_000])
            note = {"url": f"{server.url}/f.mat", "validator": tag.decode().partition(": ")[2], "total": len(body)}
            (tmp_path / "f.mat.part.json").write_text(json.dumps(note))
            done, failed = fetch([one(tmp_path, body=body)], server.url)
        assert (list(done), failed) == (["f.mat"], {})
        assert [asked.headers.get("range") for asked in server.asked] == ["bytes=1500000-"]
        (tmp_path / "f.mat").unlink()


OK = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n".encode()
GARBAGE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    "a length below nothing": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "two lengths": OK + b"Content-Length: 7\r\n\r\n",
    "a header without an end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "chunks that are none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
    "a redirect of bytes": b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe:\xfd/\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nothing": b"HTTP/1.1 302 Found\r\nLocation: http://\r\nContent-Length: 0\r\n\r\n",
    "a status of its own": b"HTTP/1.1 599 Tired\r\nContent-Length: 0\r\n\r\n",
    "a pause of its own": b"HTTP/1.1 503 No\r\nRetry-After: \xff, 99 Foo 0000\r\nContent-Length: 0\r\n\r\n",
    "an error whose XML stops": b"HTTP/1.1 403 No\r\nContent-Type: application/xml\r\nContent-Length: 99\r\n\r\n<Err",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
def test_an_answer_of_any_kind_is_a_reason(answer: bytes, tmp_path: Path) -> None:
    good = nginx({"g.mat": BODY})
    with RawServer(lambda asked: good(asked) if asked.target == "/g.mat" else iter([answer])) as server:
        done, failed = fetch([one(tmp_path), one(tmp_path, "g.mat")], server.url)
    assert list(done) == ["g.mat"]
    assert failed["f.mat"].startswith(f"{server.url}: ")
    assert "\n" not in failed["f.mat"]
    assert left(tmp_path) == ["g.mat"]


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\x07b", b"x" * 5000, "é".encode()])
def test_a_validator_that_cannot_be_sent_back_is_none(name: bytes, tmp_path: Path) -> None:
    cut = [OK + b'ETag: "' + name + b'"\r\n\r\n' + BODY[:100]]

    def answer(asked: Asked) -> bytes | Iterator[bytes]:
        return iter([cut.pop()]) if cut else nginx({"f.mat": BODY})(asked)

    with RawServer(answer) as server:
        (tmp_path / "g.mat.part").write_bytes(b"x")
        note = {"url": f"{server.url}/g.mat", "validator": '"a"\r\nX: y', "total": 9}
        (tmp_path / "g.mat.part.json").write_text(json.dumps(note))
        done, failed = fetch([one(tmp_path)], server.url)
        again, _ = fetch([one(tmp_path, "g.mat")], server.url)
    assert (list(done), failed, again) == (["f.mat"], {}, {})
    assert not [asked for asked in server.asked if "range" in asked.headers]


def test_a_proxy_is_named_in_the_ways_that_are_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    files = {"f.mat": BODY}

    def answer(asked: Asked) -> bytes:
        return nginx(files)(Asked(target=asked.target.removeprefix("http://mirror.invalid"), headers=asked.headers))

    with RawServer(answer) as server:
        for number, stated in enumerate((server.url, server.url.removeprefix("http://"), f"{server.url}/")):
            monkeypatch.setenv("http_proxy", stated)
            done, _ = fetch([one(tmp_path / str(number))], "http://mirror.invalid")
            assert done == {"f.mat": "http://mirror.invalid"}
    monkeypatch.setenv("http_proxy", "socks5://me:secret@proxy:1080")
    with pytest.raises(
        ConfigError, match=r"the proxy for http, 'socks5://proxy:1080' by http_proxy: not understood; exp"
    ):
        fetch([one(tmp_path)], "http://mirror.invalid")


def test_an_address_that_a_host_did_not_quote_is_followed() -> None:
    assert redirected("https://a.org/x", "/files/a b/é?x=1&y=%20") == "https://a.org/files/a%20b/%C3%A9?x=1&y=%20"
    assert redirected("https://a.org/x/y", "//b.org/z") == "https://b.org/z"
    assert redirected("http://a.org/x/y", " z#part ") == "http://a.org/x/z#part"


@pytest.mark.parametrize("location", ["http://b.org/z", "HTTP://b.org/z", "http://a.org/x"])
def test_a_redirect_that_leaves_tls_is_refused(location: str) -> None:
    with pytest.raises(FailedTry, match=r"a redirect from https to http://\w\.org/\w is refused"):
        redirected("https://a.org/x", location)


def test_a_date_to_come_back_is_by_the_servers_own_clock() -> None:
    there = time.time() - 7200  # two hours slow
    assert parse_retry_after(formatdate(there + 30, usegmt=True), formatdate(there, usegmt=True)) == 30
    assert parse_retry_after(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=20)
    assert parse_retry_after(formatdate(there, usegmt=True), "nonsense") == 0
    assert parse_retry_after(" 12 ") == 12
    assert parse_retry_after("soon", "later") is None
    assert parse_retry_after(None) is None
