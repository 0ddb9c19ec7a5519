"""A real HTTP server on 127.0.0.1 that serves files from memory and, on command, behaves as bad hosts do."""

import hashlib
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

LONGEST_STALL_S = 20.0
"""A stall ends with the server, or after this."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """How one answer differs from a good one.

    Attributes
    ----------
    drop_at : close the connection after so many bytes of the body
    stall_at : send nothing more after so many bytes
    cut_at : send, and state as the length, only so many bytes
    stated_more : state a length that is longer by so much than what is sent
    no_range : answer a Range with the whole file
    body, etag : of another version of the file
    wrong_byte : turn the byte at this place around
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop_at: int | None = None
    stall_at: int | None = None
    cut_at: int | None = None
    stated_more: int = 0
    no_range: bool = False
    ignore_if_range: bool = False
    content_range: str | None = None
    chunked: bool = False
    body: bytes | None = None
    etag: str | None = None
    wrong_byte: int | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request: what was asked, and how many bytes of the body were sent."""

    path: str
    range: str | None
    if_range: str | None
    status: int
    n_sent: int
    client: tuple[str, int]


class _ManyAtOnce(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the usual 5, a sixth connection at once waits a second


class Server:
    """Serves `files` (path → bytes); the acts of a path are used up one a request, those of "*" for ever."""

    def __init__(self, files: dict[str, bytes], *, certificate: str | None = None, pace_s: float = 0.0) -> None:
        self.files = files
        self.acts: dict[str, list[Act]] = {}
        self.always: dict[str, Act] = {}
        self._seen: list[Seen] = []
        self._n_answering = 0
        self._answered = threading.Condition()
        self.pace_s = pace_s
        self.ended = threading.Event()
        self.http = _ManyAtOnce(("127.0.0.1", 0), _handler_of(self))
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.http.server_port}"

    @property
    def seen(self) -> list[Seen]:
        """Every request so far: a client may have its answer a moment before the server has noted what it sent."""
        with self._answered:
            self._answered.wait_for(lambda: self._n_answering == 0, timeout=30)
        return self._seen

    def begin_answer(self) -> None:
        with self._answered:
            self._n_answering += 1

    def end_answer(self, seen: Seen | None) -> None:
        with self._answered:
            if seen is not None:
                self._seen.append(seen)
            self._n_answering -= 1
            self._answered.notify_all()

    def act(self, path: str, *acts: Act) -> None:
        """The next answers for `path`."""
        self.acts.setdefault(path, []).extend(acts)

    def n_requests(self, path: str) -> int:
        return sum(seen.path == path for seen in self.seen)

    def n_bytes(self, path: str) -> int:
        return sum(seen.n_sent for seen in self.seen if seen.path == path)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()


def etag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).lstrip("/")
            acts = server.acts.get(path)
            act = acts.pop(0) if acts else server.always.get(path, server.always.get("*", Act()))
            body = server.files.get(path) if act.body is None else act.body
            if act.status != 200:
                self._answer(path, act.status, act, b"", {})
            elif body is None:
                self._answer(path, 404, Act(), b"", {})
            else:
                self._send_file(path, act, body)

        def _send_file(self, path: str, act: Act, body: bytes) -> None:
            etag = etag_of(body) if act.etag is None else act.etag
            headers = {"ETag": etag} if etag else {}
            if act.wrong_byte is not None:
                place = act.wrong_byte
                body = body[:place] + bytes([body[place] ^ 255]) + body[place + 1 :]
            asked, only_if = self.headers.get("Range"), self.headers.get("If-Range")
            status = 200
            if asked and not act.no_range and (only_if in (None, etag) or act.ignore_if_range):
                begin = int(asked.removeprefix("bytes=").split("-")[0])
                stated = f"bytes {begin}-{len(body) - 1}/{len(body)}"
                headers["Content-Range"] = act.content_range or stated
                body, status = body[begin:], 206
            self._answer(path, status, act, body[: act.cut_at], headers)

        def _answer(self, path: str, status: int, act: Act, body: bytes, headers: dict[str, str]) -> None:
            ends = [end for end in (act.drop_at, act.stall_at) if end is not None]
            asked, only_if = self.headers.get("Range"), self.headers.get("If-Range")
            seen = None
            server.begin_answer()
            try:
                self._send_head(status, act, len(body), headers)
                n_sent = self._send_body(body[: min(ends, default=len(body))])
                seen = Seen(
                    path=path, range=asked, if_range=only_if, status=status, n_sent=n_sent, client=self.client_address
                )
            finally:
                server.end_answer(seen)
            if act.stall_at is not None:
                server.ended.wait(LONGEST_STALL_S)
            if ends or act.stated_more:
                self.close_connection = True

        def _send_head(self, status: int, act: Act, n_bytes: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, **act.headers}.items():
                self.send_header(name, value)
            if act.chunked:
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(n_bytes + act.stated_more))
            self.end_headers()

        def _send_body(self, body: bytes) -> int:
            n_sent = 0
            try:
                for begin in range(0, len(body), 16384):
                    if server.pace_s:
                        time.sleep(server.pace_s)
                    block = body[begin : begin + 16384]
                    self.wfile.write(block)
                    n_sent += len(block)
            except OSError:
                self.close_connection = True  # the client has gone
            return n_sent

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass

        def log_message(self, *args: object) -> None:
            pass

    return Handler
