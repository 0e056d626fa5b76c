"""Small kept models with real weights, and a server of one in processes of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.model import Member, Predictor
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.sources import read_source

HOST = "127.0.0.1"
JSON = "application/json"
PATIENCE = 240.0
"""Seconds until a server has to answer, or to end: on a busy machine torch alone takes thirty."""


class Served:
    """A server of a model's folder, until `stop`.

    Attributes:
        process: The first of its processes; all are of its group.
        port: Where it listens.
        log: The file of what it says.
    """

    def __init__(self, folder: Path, log: Path, *options: str) -> None:
        self.port, self.log = free_port(), log
        command = [sys.executable, "-m", "lit_causalmix", "serve", str(folder)]
        command += ["--port", str(self.port), *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with log.open("w") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, start_new_session=True, env=environment
            )

    def wait(self) -> None:
        """Waits until the server is ready."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            try:
                if self.get("/health")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"no server: {self.log.read_text()}")

    def get(self, path: str) -> tuple[int, str]:
        return self.send("GET", path)

    def post(self, body: bytes | str, media_type: str = JSON, query: str = "") -> tuple[int, Any]:
        status, text = self.send("POST", f"/predict{query}", body, {"Content-Type": media_type})
        return status, json.loads(text)

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def together(self, bodies: Sequence[bytes]) -> list[tuple[int, Any]]:
        """Sends requests at once, each over a connection of its own; within `PATIENCE`."""

        async def all_of_them() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(self._one(body) for body in bodies))

        return asyncio.run(asyncio.wait_for(all_of_them(), PATIENCE))

    async def _one(self, body: bytes) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(self.request(body))
        await writer.drain()
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(content)

    def abandon(self, sent: bytes) -> None:
        """Sends a part of a request and breaks the connection, as a client that is killed does."""
        client = socket.create_connection((HOST, self.port), timeout=PATIENCE)
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

    @staticmethod
    def request(body: bytes) -> bytes:
        """A whole request for predictions, as it is sent."""
        head = [
            "POST /predict HTTP/1.1",
            f"Host: {HOST}",
            "Connection: close",
            f"Content-Type: {JSON}",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the server; returns the status of its first process."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Waits for the end of all processes; returns the status of the first."""
        try:
            status = self.process.wait(PATIENCE)
            end = time.monotonic() + 30
            while self.is_there() and time.monotonic() < end:
                time.sleep(0.1)
            return status
        finally:
            self.left_behind = self.is_there()
            if self.left_behind:
                os.killpg(self.process.pid, signal.SIGKILL)

    def is_there(self) -> bool:
        """Whether any process of the group runs."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def children(self) -> list[int]:
        """Processes that the first one started to predict."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                own = os.getpgid(int(entry.parent.name)) == self.process.pid
                if own and b"spawn_main" in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:  # it ended meanwhile
                continue
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


ALL = SplitSpec(val_fraction=0, test_fraction=0)


def kept(spec: TableSpec, split: SplitSpec = ALL) -> Predictor:
    train = load_splits(spec, split).train
    return Predictor([Member(Nano(), Encoder.fit(train), train, 1024)], spec, {})


@pytest.fixture
def make_model() -> Callable[[TableSpec], Predictor]:
    return kept


@pytest.fixture
def model(frame: pd.DataFrame) -> Predictor:
    return kept(TableSpec(frame, target="target", name="mixed"))


@pytest.fixture
def regressor(make_frame: Callable[..., pd.DataFrame]) -> Predictor:
    return kept(TableSpec(make_frame(regression=True), target="target"))


@pytest.fixture
def new(frame: pd.DataFrame) -> pd.DataFrame:
    """New rows, without a target."""
    return frame.drop(columns="target").astype(object).where(frame.notna(), None)


@pytest.fixture(scope="session")
def credit() -> pd.DataFrame:
    """The rows of a real table, without the target."""
    raw = read_source(TableSpec("german_credit"))
    return raw.frame.drop(columns=[str(raw.target)])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of that table on disk."""
    path = tmp_path_factory.mktemp("served") / "model"
    kept(TableSpec("german_credit"), SplitSpec(max_train_rows=200)).save(path)
    return path


@pytest.fixture(scope="session")
def serve() -> type[Served]:
    """Starts servers: `serve(folder, log, *options)`."""
    return Served
