"""An S3 server (moto) on 127.0.0.1 that answers after a delay, in a process of its own; without credentials."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

from ecg12.cache.storage.drivers import forget_drivers
from ecg12.ecg.errors import ConfigError

BUCKET = "bench"


@contextmanager
def s3_server(delay_s: float) -> Iterator[str]:
    """The address of a running server with an empty bucket, which S3 drivers made within the block talk to.

    Raises
    ------
    ConfigError
        If moto or s3fs is not installed.
    """
    missing = [name for name in ("moto", "flask", "s3fs") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: not installed; pip install -r requirements-dev.txt brings it")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, delay_s), daemon=True)
    process.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}"
        with _environment(AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench"):
            yield url
    finally:
        ours.send("end")
        process.join(10)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    forget_drivers()
    try:
        yield
    finally:
        forget_drivers()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _serve(parent: Connection, delay_s: float) -> None:
    import threading

    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: ANN401 - werkzeug's own signature
            pass

    backend = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(delay_s)
        return backend(environ, start)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.server_port}", **keys).create_bucket(Bucket=BUCKET)
    parent.send(server.server_port)
    parent.recv()
    server.shutdown()
