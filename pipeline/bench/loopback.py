"""A server on 127.0.0.1 that answers after a delay, as one far away does, with files made up on the way.

It is a process of its own and does nothing but answer, so that it takes as little as possible of what is measured.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import numpy as np

from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.synthetic.file_dialect import checksum, format_mat

N_SAMPLES = 5000
_MAT_HEADER_BYTES = 24


class Files:
    """Records of ten seconds that differ in their first sample: `name(i)`, `parts(i)`, `header_text(i)`."""

    def __init__(self) -> None:
        self.signal = np.random.default_rng(2020).integers(-1000, 1000, (len(LEADS), N_SAMPLES)).astype(np.int16)
        body = format_mat(self.signal)
        self.head = body[:_MAT_HEADER_BYTES]
        self.rest = body[_MAT_HEADER_BYTES + 2 * len(LEADS) :]
        self.n_bytes = len(body)

    def name(self, number: int) -> str:
        """Posix path below the release."""
        return f"training/ptb-xl/g{number // 1000 + 1}/HR{number:05d}.mat"

    def parts(self, number: int) -> tuple[bytes, bytes, bytes]:
        """The file, in three pieces."""
        return self.head, self._first(number).tobytes(), self.rest

    def header_text(self, number: int) -> str:
        """The record's header, with right checksums."""
        signal = self.signal.copy()
        signal[:, 0] = self._first(number)
        record = f"HR{number:05d}"
        lines = [f"{record} {len(LEADS)} 500 {N_SAMPLES}"]
        for lead, samples in zip(LEADS, signal, strict=True):
            lines.append(f"{record}.mat 16+24 1000/mV 16 0 {samples[0]} {checksum(samples)} 0 {lead}")
        return "\n".join(lines) + "\n"

    def _first(self, number: int) -> np.ndarray:
        return np.full(len(LEADS), number % 32768, "<i2")


@contextmanager
def loopback_server(delay_s: float) -> Iterator[int]:
    """A running server's port; the process ends with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, delay_s), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)


def _serve(parent: Connection, delay_s: float) -> None:
    asyncio.run(_serve_until_told(parent, delay_s))


async def _serve_until_told(parent: Connection, delay_s: float) -> None:
    files = Files()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answers(files, delay_s), "127.0.0.1", 0)
    parent.send(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, parent.recv)
    server.close()


class _Answers(asyncio.Protocol):
    def __init__(self, files: Files, delay_s: float) -> None:
        self.files = files
        self.delay_s = delay_s
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            request, _, self.received = self.received.partition(b"\r\n\r\n")
            number = int(request.split(b" ", 2)[1][-9:-4])  # …/HR00001.mat
            asyncio.get_running_loop().call_later(self.delay_s, self._answer, number)

    def _answer(self, number: int) -> None:
        if not self.transport.is_closing():
            stated = f'HTTP/1.1 200 OK\r\nContent-Length: {self.files.n_bytes}\r\nETag: "{number}"\r\n\r\n'
            self.transport.writelines([stated.encode(), *self.files.parts(number)])
