"""A server on 127.0.0.1 that sends exactly the bytes it is told to: whole answers in the form of real hosts."""

import gzip
import hashlib
import socketserver
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote, unquote_plus

Files = dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: `target` as it stood on the line, `headers` by lower-case name."""

    target: str
    headers: dict[str, str]


Answerer = Callable[[Asked], bytes | Iterable[bytes]]


class RawServer:
    """Answers each request with the bytes of `answer`, and closes where these say so or have no length."""

    def __init__(self, answer: Answerer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.tcp = _Tcp(("127.0.0.1", 0), _handler_of(self))
        self.thread = threading.Thread(target=self.tcp.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.tcp.server_address[1]}"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tcp.shutdown()
        self.tcp.server_close()


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False


def _handler_of(server: RawServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                while self._answer_one():
                    pass
            except OSError:
                pass  # the client has gone

        def _answer_one(self) -> bool:
            line = self.rfile.readline().split()
            if len(line) != 3:
                return False
            if line[0] != b"GET":  # as hosts of files refuse whatever they do not need
                self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n")
                return False
            headers = {}
            while field := self.rfile.readline().strip():
                name, _, value = field.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            asked = Asked(target=line[1].decode(), headers=headers)
            server.asked.append(asked)
            answer = server.answer(asked)
            if not isinstance(answer, bytes):
                for piece in answer:
                    self.wfile.write(piece)
                return False
            self.wfile.write(answer)
            head = answer.partition(b"\r\n\r\n")[0].lower()
            framed = b"content-length" in head or b"chunked" in head or b" 204 " in head.partition(b"\r\n")[0]
            return head.startswith(b"http/1.1") and b"connection: close" not in head and framed

    return Handler


def _answer(status: str, headers: dict[str, str], body: bytes = b"", *, version: str = "HTTP/1.1") -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{version} {status}\r\n{head}\r\n".encode("latin-1") + body


def chunks(body: bytes, size: int = 1000) -> bytes:
    """In chunks, as the transfer encoding of that name."""
    cut = [body[begin : begin + size] for begin in range(0, len(body), size)]
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in [*cut, b""])


def _rest_of(asked: Asked, body: bytes, etag: str) -> tuple[str, bytes, dict[str, str]]:
    """Status, body and headers of an answer to a request that may be for a part."""
    match = asked.headers.get("range", "").removeprefix("bytes=").rstrip("-")
    if not match or asked.headers.get("if-range", etag) != etag:
        return "200 OK", body, {}
    begin = int(match)
    if begin >= len(body):
        return "416 Requested Range Not Satisfiable", b"", {"Content-Range": f"bytes */{len(body)}"}
    return "206 Partial Content", body[begin:], {"Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}"}


def s3(files: Files) -> Answerer:
    """Amazon S3: a `+` in a path is a blank, everything is `binary/octet-stream`, failures are XML in chunks."""

    def answer(asked: Asked) -> bytes:
        body = files.get(unquote_plus(asked.target.partition("?")[0])[1:])
        who = {"x-amz-request-id": "4F2E0D1C6B3A9887", "x-amz-id-2": "c2VydmVy", "Server": "AmazonS3"}
        if body is None:
            return s3_error("404 Not Found", "NoSuchKey", "The specified key does not exist.")
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        status, part, more = _rest_of(asked, body, etag)
        headers = who | {
            "Date": "Tue, 03 Jun 2025 09:00:00 GMT",
            "Last-Modified": "Mon, 01 May 2023 10:11:12 GMT",
            "ETag": etag,
            "x-amz-server-side-encryption": "AES256",
            "Accept-Ranges": "bytes",
            "Content-Type": "binary/octet-stream",
            "Content-Length": str(len(part)),
        }
        return _answer(status, headers | more, part)

    return answer


def s3_error(status: str, code: str, message: str, **more: str) -> bytes:
    """As S3 explains a failure."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
        "<RequestId>4F2E0D1C6B3A9887</RequestId><HostId>c2VydmVy</HostId></Error>"
    )
    headers = {"Content-Type": "application/xml", "Transfer-Encoding": "chunked", "Server": "AmazonS3", **more}
    return _answer(status, headers, chunks(text.encode()))


def nginx(files: Files) -> Answerer:
    """nginx as PhysioNet runs it: `text/plain` for whatever it does not know, a page for failures."""

    def answer(asked: Asked) -> bytes:
        body = files.get(unquote(asked.target.partition("?")[0])[1:])
        if body is None:
            page = b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n</body>\r\n</html>\r\n"
            return _answer("404 Not Found", {"Content-Type": "text/html", "Content-Length": str(len(page))}, page)
        etag = f'"5eb2d4b0-{len(body):x}"'
        status, part, more = _rest_of(asked, body, etag)
        headers = {
            "Server": "nginx/1.22.1",
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(part)),
            "Last-Modified": "Wed, 06 May 2020 15:14:40 GMT",
            "Connection": "keep-alive",
            "ETag": etag,
            "Strict-Transport-Security": "max-age=2592000; includeSubDomains; preload",
            "Accept-Ranges": "bytes",
        }
        return _answer(status, headers | more, part)

    return answer


def apache_in_chunks(files: Files) -> Answerer:
    """Apache behind a module that makes pages on the way: chunks, a weak ETag, no type, no ranges."""

    def answer(asked: Asked) -> bytes:
        body = files.get(unquote(asked.target)[1:])
        if body is None:
            return _answer("404 Not Found", {"Content-Type": "text/html", "Content-Length": "0"})
        headers = {"Server": "Apache/2.4.57 (Debian)", "ETag": 'W/"1f-5a5"', "Transfer-Encoding": "chunked"}
        return _answer("200 OK", headers, chunks(body))

    return answer


def plain_old(files: Files) -> Answerer:
    """HTTP/1.0 without a length: the end of the connection is the end of the file, and there are no reasons."""

    def answer(asked: Asked) -> bytes:
        body = files.get(unquote(asked.target)[1:])
        if body is None:
            return _answer("404", {}, b"nothing", version="HTTP/1.0")
        return _answer("200", {}, body, version="HTTP/1.0")

    return answer


def encoding_proxy(files: Files) -> Answerer:
    """A proxy that packs whatever it is asked, wanted or not."""

    def answer(asked: Asked) -> bytes:
        body = files.get(unquote(asked.target)[1:])
        if body is None:
            return _answer("404 Not Found", {"Content-Length": "0"})
        packed = gzip.compress(body, mtime=0)
        return _answer(
            "203 Non-Authoritative Information",
            {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "Content-Length": str(len(packed))},
            packed,
        )

    return answer


HOSTS: dict[str, Callable[[Files], Answerer]] = {
    "S3": s3,
    "nginx": nginx,
    "Apache in chunks": apache_in_chunks,
    "HTTP/1.0": plain_old,
    "a proxy that packs": encoding_proxy,
}
