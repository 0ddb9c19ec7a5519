"""Transfers against a server that behaves as bad hosts do: the right bytes, or a reason and nothing wrong on disk."""

import hashlib
import json
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.http.hosts import ABSENT_FILES_BEFORE_GIVING_UP, Host, make_hosts
from ecg12.pipeline.http.part_file import RESUME_FROM_BYTES
from ecg12.pipeline.http.transfer import HttpFetcher
from ecg12.pipeline.http.wanted_files import Fetched, TransferConfig, Wanted
from ecg12.pipeline.runtime.progress import silent
from tests.pipeline.http_server import Act, Server, etag_of
from tests.pipeline.published import FAST, IMPATIENT
from tests.pipeline.raw_server import Answerer, Asked, RawServer

BODY = hashlib.shake_256(b"a file").digest(300_000)
LONG = hashlib.shake_256(b"a long file").digest(RESUME_FROM_BYTES + 200_000)
NAME = "folder/a file.bin"


class Outcome:
    """What a transfer said."""

    def __init__(self) -> None:
        self.done: dict[str, Fetched] = {}
        self.failed: dict[str, str] = {}
        self.fetcher: HttpFetcher


class Counter:
    """A task that only counts."""

    def __init__(self) -> None:
        self.n = 0
        self.total = 0
        self.files = ""

    def advance(self, n: int = 1, **figures: float | str) -> None:
        self.n += n
        self.files = str(figures.get("files", self.files))

    def expect(self, total: int) -> None:
        self.total = total

    def __enter__(self):
        return self

    def __exit__(self, *args: object) -> None:
        pass


def fetch(wanted: list[Wanted], *urls: str, config: TransferConfig = FAST, task: object = None) -> Outcome:
    outcome = Outcome()
    outcome.fetcher = HttpFetcher(make_hosts(urls), config)
    outcome.fetcher.fetch(
        wanted,
        task or silent("", 0, ""),
        lambda file: outcome.done.update({file.wanted.name: file}),
        lambda one, reason: outcome.failed.update({one.name: reason}),
    )
    return outcome


def one(folder: Path, body: bytes = BODY, name: str = NAME, **options: object) -> Wanted:
    accepted = (hashlib.sha256(body).hexdigest(),)
    return Wanted(path=folder / name, name=name, **{"accepted": accepted, **options})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({NAME: BODY, "long": LONG}) as server:
        yield server


GOOD = {
    "a plain answer": [],
    "the line drops": [Act(drop_at=70_000)],
    "the line drops at once": [Act(drop_at=0)],
    "the line drops again and again": [Act(drop_at=n) for n in (70_000, 70_000, 70_000)],
    "more was stated than is sent": [Act(stated_more=500)],
    "a short body with a right length": [Act(cut_at=100_000)],
    "the rest is refused": [Act(drop_at=70_000), Act(status=416)],
    "a range is answered with all": [Act(drop_at=70_000), Act(no_range=True)],
    "a range is answered with another": [
        Act(drop_at=70_000),
        Act(content_range=f"bytes 3-{len(BODY) - 1}/{len(BODY)}"),
    ],
    "a range without saying which": [Act(drop_at=70_000), Act(content_range="some bytes")],
    "a range of a longer file": [Act(drop_at=70_000), Act(content_range=f"bytes 70000-{len(BODY)}/{len(BODY) + 1}")],
    "only a part of the rest": [Act(drop_at=70_000), Act(cut_at=1000)],
    "more than the rest": [
        Act(drop_at=70_000),
        Act(
            body=BODY + b"more",
            etag=etag_of(BODY),
            content_range=f"bytes 70000-{len(BODY) - 1}/{len(BODY)}",
        ),
    ],
    "another file in the rest": [Act(drop_at=70_000), Act(etag='"other"', ignore_if_range=True)],
    "the file was another before": [Act(drop_at=70_000, body=b"x" * 200_000)],
    "the file was longer before": [Act(drop_at=280_000, body=b"x" * 400_000)],
    "a wrong byte": [Act(wrong_byte=5)],
    "a wrong byte in the first part": [Act(drop_at=70_000, wrong_byte=5)],
    "too many requests": [Act(status=429, headers={"Retry-After": "0"})],
    "too many requests, with a date": [Act(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})],
    "too many requests, with nonsense": [Act(status=429, headers={"Retry-After": "soon"})],
    "not available": [Act(status=503), Act(status=500)],
    "a stall": [Act(stall_at=70_000)],
    "a stall before the first byte": [Act(stall_at=0)],
    "an unknown length": [Act(chunked=True)],
    "a weak ETag": [Act(drop_at=70_000, etag='W/"a"')],
    "no ETag": [Act(drop_at=70_000, etag="")],
    "a date instead of an ETag": [
        Act(drop_at=70_000, etag="", headers={"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    ],
}


@pytest.mark.parametrize("acts", GOOD.values(), ids=GOOD.keys())
def test_the_right_bytes_come_in_the_end(acts: list[Act], server: Server, tmp_path: Path) -> None:
    server.act(NAME, *acts)
    task = Counter()
    config = IMPATIENT if any(act.stall_at is not None for act in acts) else FAST
    outcome = fetch([one(tmp_path)], server.url, config=config, task=task)
    assert not outcome.failed
    assert outcome.done[NAME].size == len(BODY)
    assert outcome.done[NAME].hexdigest == hashlib.sha256(BODY).hexdigest()
    assert outcome.done[NAME].origin == server.url
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["a file.bin"]
    assert (task.n, task.total, task.files) == (len(BODY), len(BODY), "1/1")


def test_an_answer_of_another_length_than_stated_is_named(server: Server, tmp_path: Path) -> None:
    server.always[NAME] = Act(cut_at=1000)
    server.act(NAME, Act(drop_at=70_000))
    outcome = fetch([one(tmp_path)], server.url)
    assert outcome.failed[NAME].endswith(" bytes came; expected 300,000")


BAD = {
    "not there": (Act(status=404), "status 404 Not Found"),
    "not allowed": (Act(status=403), "status 403 Forbidden"),
    "never available": (Act(status=503), "status 503 Service Unavailable"),
    "a long pause asked for": (
        Act(status=429, headers={"Retry-After": "86400"}),
        "status 429 Too Many Requests, and asks to wait 86400 s",
    ),
    "always dropping": (Act(drop_at=100), "the connection ended before the file did"),
    "always stalling": (Act(stall_at=100), "no bytes came in time"),
    "a range nobody asked for": (
        Act(status=206),
        "status 206 with a part of the file, although the whole was asked for",
    ),
    "a loop": (Act(status=302, headers={"Location": f"/{NAME}".replace(" ", "%20")}), "more than 10 redirects"),
    "a redirect to a file": (Act(status=302, headers={"Location": "file:///etc/passwd"}), "a redirect to file: is ref"),
    "a redirect to ftp": (Act(status=301, headers={"Location": "ftp://127.0.0.1/x"}), "a redirect to ftp: is refused"),
    "a redirect to nowhere": (Act(status=302), "status 302 Found"),
    "a redirect to nonsense": (
        Act(status=302, headers={"Location": "http://x:99999/"}),
        "http://x:99999/', which is no address",
    ),
    "a redirect to no host": (Act(status=302, headers={"Location": "http://:8/"}), "http://:8/', which is no address"),
    "a redirect to half an address": (Act(status=302, headers={"Location": "http://[::1/"}), "'http://[::1/', which"),
}


@pytest.mark.parametrize(("act", "reason"), BAD.values(), ids=BAD.keys())
def test_a_file_that_cannot_be_had_has_a_reason_and_no_name(
    act: Act, reason: str, server: Server, tmp_path: Path
) -> None:
    server.always[NAME] = act
    outcome = fetch([one(tmp_path)], server.url, config=FAST if act.stall_at is None else IMPATIENT)
    assert outcome.failed[NAME].startswith(f"{server.url}: ")
    assert reason in outcome.failed[NAME]
    assert not outcome.done
    assert not (tmp_path / NAME).exists()
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} <= {".part"}


def test_a_wrong_byte_is_kept_as_bad_with_both_digests(server: Server, tmp_path: Path) -> None:
    server.always[NAME] = Act(wrong_byte=5)
    outcome = fetch([one(tmp_path)], server.url)
    wrong = BODY[:5] + bytes([BODY[5] ^ 255]) + BODY[6:]
    bad = tmp_path / f"{NAME}.bad"
    assert outcome.failed[NAME] == (
        f"{server.url}: sha256 {hashlib.sha256(wrong).hexdigest()}; expected {hashlib.sha256(BODY).hexdigest()}; "
        f"the wrong file is kept as {bad}"
    )
    assert bad.read_bytes() == wrong
    assert [path.name for path in bad.parent.iterdir()] == [bad.name]
    fetch([one(tmp_path)], server.url)
    assert sorted(path.name for path in bad.parent.iterdir()) == [bad.name, f"{bad.name}1"]


def test_a_short_body_with_a_right_length_is_told_by_its_digest(server: Server, tmp_path: Path) -> None:
    server.always[NAME] = Act(cut_at=100_000)
    outcome = fetch([one(tmp_path)], server.url)
    assert hashlib.sha256(BODY[:100_000]).hexdigest() in outcome.failed[NAME]


def test_a_part_is_resumed_and_no_byte_comes_twice(server: Server, tmp_path: Path) -> None:
    server.act(NAME, Act(drop_at=70_000), Act(drop_at=100_000))
    fetch([one(tmp_path)], server.url)
    assert [seen.range for seen in server.seen] == [None, "bytes=70000-", "bytes=170000-"]
    assert {seen.if_range for seen in server.seen[1:]} == {etag_of(BODY)}
    assert server.n_bytes(NAME) == len(BODY)


def test_progress_is_not_a_failed_try(server: Server, tmp_path: Path) -> None:
    server.always[NAME] = Act(drop_at=66_000)
    config = replace(FAST, tries=2)
    assert not fetch([one(tmp_path)], server.url, config=config).failed
    assert server.n_requests(NAME) >= 5  # a slow machine may break a try off, too


def test_a_long_file_is_resumed_by_another_process(server: Server, tmp_path: Path) -> None:
    server.always["long"] = Act(status=503)
    server.act("long", Act(drop_at=900_000))
    wanted = one(tmp_path, LONG, "long")
    assert fetch([wanted], server.url).failed
    note = json.loads((tmp_path / "long.part.json").read_text())
    assert note == {"url": f"{server.url}/long", "validator": etag_of(LONG), "total": len(LONG)}
    del server.always["long"]
    task = Counter()
    assert not fetch([wanted], server.url, task=task).failed
    assert server.seen[-1].range == "bytes=900000-"
    assert task.n == len(LONG) - 900_000
    assert server.n_bytes("long") == len(LONG)
    assert [path.name for path in tmp_path.iterdir()] == ["long"]


@pytest.mark.parametrize("how", ["changed", "torn", "gone", "elsewhere"])
def test_a_part_that_is_of_another_file_is_started_anew(how: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "long.part").write_bytes(b"x" * 500_000)
    note = {"url": f"{server.url}/long", "validator": '"of another"', "total": len(LONG)}
    if how == "elsewhere":
        note |= {"url": "http://elsewhere.invalid/long", "validator": etag_of(LONG)}
    text = {"torn": '{"url": "http', "gone": ""}.get(how, json.dumps(note))
    if text:
        (tmp_path / "long.part.json").write_text(text)
    assert not fetch([one(tmp_path, LONG, "long")], server.url).failed
    assert (tmp_path / "long").read_bytes() == LONG
    assert server.seen[-1].n_sent == len(LONG)


def test_every_connection_waits_as_long_as_asked(server: Server, tmp_path: Path) -> None:
    server.files |= {f"f{number}": b"x" for number in range(20)}
    server.act("f0", Act(status=429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    wanted = [one(tmp_path, b"x", f"f{number}") for number in range(20)]
    assert len(fetch(wanted, server.url, config=replace(FAST, connections=1)).done) == 20
    assert time.monotonic() - begun >= 1


def test_connections_are_kept_alive_and_no_more_than_asked_for(server: Server, tmp_path: Path) -> None:
    server.files |= {f"f{number}": BODY for number in range(60)}
    wanted = [one(tmp_path, BODY, f"f{number}") for number in range(60)]
    assert len(fetch(wanted, server.url, config=replace(FAST, connections=5)).done) == 60
    assert len({seen.client for seen in server.seen}) == 5


def test_a_file_that_one_host_lacks_comes_from_the_next(server: Server, tmp_path: Path) -> None:
    with Server({"long": LONG}) as first:
        outcome = fetch([one(tmp_path), one(tmp_path, LONG, "long")], first.url, server.url)
    assert {name: file.origin for name, file in outcome.done.items()} == {NAME: server.url, "long": first.url}
    assert not outcome.fetcher.notes


def test_a_part_from_one_host_is_not_continued_on_the_next(server: Server, tmp_path: Path) -> None:
    with Server({NAME: BODY}) as first:
        first.always[NAME] = Act(status=503)
        first.act(NAME, Act(drop_at=100_000))
        outcome = fetch([one(tmp_path)], first.url, server.url)
    assert outcome.done[NAME].origin == server.url
    assert server.seen[0].range is None


def test_a_dead_host_is_given_up_aloud(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.files |= {f"f{number}": BODY for number in range(30)}
    with Server({}) as gone:
        dead = gone.url
    wanted = [one(tmp_path, BODY, f"f{number}") for number in range(30)]
    with caplog.at_level(logging.WARNING):
        outcome = fetch(wanted, dead, server.url)
    assert len(outcome.done) == 30
    [note] = outcome.fetcher.notes
    assert note.startswith(f"{dead}: given up (no connection (")
    assert note.endswith(f"going on with {server.url}")
    assert note in caplog.messages


def test_when_no_host_is_left_the_rest_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Server({}) as gone:
        dead = gone.url
    wanted = [one(tmp_path, BODY, f"f{number}") for number in range(30)]
    outcome = fetch(wanted, dead, config=replace(FAST, tries=6))
    assert len(outcome.failed) == 30
    assert "no other host is left" in outcome.fetcher.notes[0]
    assert any(reason.startswith(f"{dead}: given up (no connection") for reason in outcome.failed.values())
    assert f"{dead}: no connection" in caplog.text
    assert caplog.text.count("trying again for some minutes") == 1


def test_a_host_without_any_of_the_files_is_given_up_unless_it_is_the_last(server: Server, tmp_path: Path) -> None:
    n = ABSENT_FILES_BEFORE_GIVING_UP + 20
    server.files |= {f"f{number}": b"x" for number in range(n)}
    wanted = [one(tmp_path, b"x", f"f{number}") for number in range(n)]
    with Server({}) as empty:
        outcome = fetch(wanted, empty.url, server.url, config=replace(FAST, connections=1))
        assert len(outcome.done) == n
        assert len(empty.seen) == ABSENT_FILES_BEFORE_GIVING_UP
        assert "given up (status 404 Not Found)" in outcome.fetcher.notes[0]
        alone = fetch(wanted, empty.url)
        assert len(alone.failed) == n
        assert not alone.fetcher.notes


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.act("moved", Act(status=307, headers={"Location": "/folder/a%20file.bin"}))
    outcome = fetch([one(tmp_path, BODY, "moved")], server.url)
    assert (tmp_path / "moved").read_bytes() == BODY
    assert outcome.done["moved"].origin == server.url


def test_a_certificate_nobody_signed_is_refused(certificate: str, tmp_path: Path) -> None:
    with Server({NAME: BODY}, certificate=certificate) as server:
        outcome = fetch([one(tmp_path)], server.url)
        assert not server.seen
    assert "its TLS certificate is not accepted (self" in outcome.failed[NAME]
    assert "verification is never switched off: name your network's own authority with SSL_CERT" in outcome.failed[NAME]
    assert "given up" in outcome.fetcher.notes[0]
    assert not any(path.is_file() for path in (tmp_path / "folder").iterdir())


def test_a_proxy_from_the_environment_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    outcome = fetch([one(tmp_path)], "http://mirror.invalid")
    assert outcome.done[NAME].origin == "http://mirror.invalid"


def test_a_web_page_instead_of_a_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.always[NAME] = Act(body=b"<html>sign in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    outcome = fetch([one(tmp_path, accepted=(), refuse_html=True)], server.url)
    assert outcome.failed[NAME].endswith("a web page instead of the file")
    assert not fetch([one(tmp_path, accepted=())], server.url).failed


def test_gzip_labelled_by_the_server_stays_as_it_is(server: Server, tmp_path: Path) -> None:
    server.act(NAME, Act(headers={"Content-Encoding": "gzip"}))
    fetch([one(tmp_path)], server.url)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_full_disk_comes_through(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ecg12.pipeline.http.transfer.Partial.write", full)
    with pytest.raises(OSError, match="No space left on device"):
        fetch([one(tmp_path)], server.url)


def test_the_transfers_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="connections is 0; expected 1 to 256"):
        TransferConfig(connections=0)
    with pytest.raises(ConfigError, match=r"connections is 257; expected 1 to 256"):
        TransferConfig(connections=257)


def in_one_piece(head: str, body: bytes = BODY) -> Answerer:
    return lambda asked: f"HTTP/1.1 {head}\r\n\r\n".encode() + body


def test_the_whole_as_a_part_is_the_whole(tmp_path: Path) -> None:
    """As caches that keep files in parts answer whatever they are asked."""
    n = len(BODY)
    whole = f"206 Partial Content\r\nContent-Range: bytes 0-{n - 1}/{n}\r\nContent-Length: {n}"
    with RawServer(in_one_piece(whole)) as server:
        outcome = fetch([wanted_in(tmp_path)], server.url)
    assert (tmp_path / "f").read_bytes() == BODY
    assert not outcome.failed


@pytest.mark.parametrize("stated", ["bytes 0-99/300000", "bytes 0-99/*", "bytes 1-100/100", "bytes 0-100/100", "x"])
def test_a_part_that_nobody_asked_for_is_refused(stated: str, tmp_path: Path) -> None:
    part = f"206 Partial Content\r\nContent-Range: {stated}\r\nContent-Length: 100"
    with RawServer(in_one_piece(part, BODY[:100])) as server:
        outcome = fetch([wanted_in(tmp_path)], server.url)
    assert "status 206 with a part of the file, although the whole was asked for" in outcome.failed["f"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (in_one_piece("200 OK\r\nContent-Length: abc"), "Invalid character in Content-Length"),
        (in_one_piece("200 OK\r\nno header"), "Invalid header token"),
        (lambda asked: BODY[:3000], "Bad status line|Invalid|Expected"),
    ],
)
def test_an_answer_that_is_no_http_is_told_in_a_line(answer: Answerer, said: str, tmp_path: Path) -> None:
    with RawServer(answer) as server:
        outcome = fetch([wanted_in(tmp_path)], server.url)
    [reason] = outcome.failed.values()
    assert re.search(rf"an answer that is no proper HTTP \(.*({said})", reason), reason
    assert reason.isprintable()


def dripping(piece: bytes, head: bytes = b"") -> Answerer:
    def answer(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 " + head
        while True:
            time.sleep(0.02)
            yield piece

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"x", b"200 OK\r\nContent-Length: 300000\r\n\r\n"),
        dripping(b"1\r\nx\r\n", b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        dripping(b"x", b"200 OK\r\nX-Pad: "),
        dripping(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"103 Early Hints\r\n\r\n"),
    ],
    ids=["body", "chunks", "head", "interim answers"],
)
def test_a_host_that_only_drips_is_not_waited_for(answer: Answerer, tmp_path: Path) -> None:
    config = replace(FAST, read_timeout_s=0.5, tries=2)
    with RawServer(answer) as server:
        outcome = fetch([wanted_in(tmp_path)], server.url, config=config)
    assert outcome.failed["f"].endswith("no bytes came in time, or hardly any")


def wanted_in(folder: Path) -> Wanted:
    return Wanted(path=folder / "f", name="f", accepted=(hashlib.sha256(BODY).hexdigest(),))


def test_a_long_pause_is_told_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answer = in_one_piece("503 Slow Down\r\nRetry-After: 300\r\nContent-Length: 0", b"")
    with RawServer(answer) as server, mock.patch.object(Host, "pause"):
        fetch([wanted_in(tmp_path)], server.url, config=replace(FAST, longest_retry_after_s=300))
        assert [record.getMessage() for record in caplog.records][:1] == [
            f"{server.url}: status 503 Slow Down, and asks to wait 300 s; waiting for it"
        ]
