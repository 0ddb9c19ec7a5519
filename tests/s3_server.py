"""moto's S3 on 127.0.0.1, in a thread, with faults to order: each is answered in the place of moto and counted."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

KEY, SECRET = "AKIDTESTKEY", "not-to-be-seen-anywhere"

_ANSWERS = {
    "500": ("500 Internal Server Error", "InternalError", "We encountered an internal error"),
    "503": ("503 Slow Down", "SlowDown", "Please reduce your request rate"),
    "403": ("403 Forbidden", "AccessDenied", "Access Denied"),
}


@dataclass(kw_only=True, slots=True)
class Fault:
    """What happens to the first `times` requests of this method whose path and query match."""

    kind: str
    method: str = "GET"
    path: str = ""
    times: int = 1


class S3Server:
    """A server with one bucket, `bucket`; `faults` may be set while it runs, `injected` counts those that came.

    Attributes
    ----------
    seen : (method, path) of every request
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.injected: Counter[str] = Counter()
        self.seen: list[tuple[str, str]] = []
        self._backend = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        """What tells any S3 driver of this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def reset(self) -> None:
        """Forget faults and what was seen."""
        self.faults, self.seen = [], []
        self.injected.clear()

    def __enter__(self) -> "S3Server":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        with self._lock:
            self.seen.append((method, path))
            kind = self._fault(method, path)
        if kind is None:
            return self._backend(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if kind == "reset":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("as ordered")  # werkzeug lets it be
        status, code, text = _ANSWERS[kind]
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'.encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if method == "HEAD" else [body]

    def _fault(self, method: str, path: str) -> str | None:
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                self.injected[fault.kind] += 1
                return fault.kind
        return None


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass
