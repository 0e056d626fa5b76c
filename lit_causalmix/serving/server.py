"""The server: LitServe with the routes of a kept model."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Response
from litserve import LitServer

from lit_causalmix.errors import ConfigurationError, WorkerError
from lit_causalmix.files.atomic import json_text
from lit_causalmix.model import Predictor
from lit_causalmix.serving.answers import schema
from lit_causalmix.serving.api import ModelAPI

HOSTS = ("127.0.0.1", "0.0.0.0", "::")
"""Addresses that LitServe listens at: this machine alone, all of IPv4, all."""

PORTS = range(1024, 65536)


@dataclass(frozen=True)
class Limits:
    """What requests may take.

    Attributes:
        max_rows: Most rows of one.
        max_bytes: Most bytes of its body.
        timeout: Seconds that it waits for its turn at most; then it is answered by 504.
        together: Most requests that are predicted in one go.
        workers: Processes that predict, each with the model in its memory.

    Raises:
        ConfigurationError: For one that is not above 0.
    """

    max_rows: int = 10_000
    max_bytes: int = 10_000_000
    timeout: float = 60.0
    together: int = 64
    workers: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigurationError(f"--{name.replace('_', '-')} is above 0, got {value}")


def make_server(
    folder: str, limits: Limits, *, device: str = "cpu", own_code: bool = False
) -> LitServer:
    """Makes the server of a model: `/predict`, `/schema`, and LitServe's `/health` and `/info`.

    The model is read here to refuse what is none, and again by each process that predicts.

    Args:
        folder: The model's folder.
        limits: Of requests.
        device: Where it predicts.
        own_code: Whether the module of a backbone from outside this package may be imported.

    Raises:
        ModelError: If the folder holds no model, or a damaged one.
        ConfigurationError: If there is no such device, or answers would depend on other requests.
    """
    model = Predictor.load(folder, own_code=own_code).to(device)
    if any(member.chooses_context for member in model.members):
        raise ConfigurationError(
            "a model whose context is the rows nearest to those asked together (context_selection "
            "nearest) is not served: requests would change each other's answers; predict with it, "
            "or fit with another context_selection"
        )
    described = schema(model, max_rows=limits.max_rows, max_bytes=limits.max_bytes)
    api = ModelAPI(
        folder,
        device=device,
        own_code=own_code,
        max_rows=limits.max_rows,
        together=limits.together,
    )
    server = LitServer(
        api,
        accelerator="cpu",  # the model's place is `device`, see ModelAPI
        workers_per_device=limits.workers,
        timeout=limits.timeout,
        model_metadata={key: described[key] for key in ("model", "version", "task", "target")},
        disable_openapi_url=True,  # its page of documentation fetches scripts from elsewhere
    )
    server.app.state.max_bytes = limits.max_bytes
    text = json_text(described).encode("ascii")

    async def described_in_json() -> Response:
        return Response(text, media_type="application/json")

    key = [Depends(server.setup_auth())]  # as LitServe's own routes
    server.app.add_api_route("/schema", described_in_json, methods=["GET"], dependencies=key)
    return server


def serve(server: LitServer, *, host: str = HOSTS[0], port: int = 8000) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: If the address is none that can be listened at.
        WorkerError: If a process could not take the model up, or died: all others end with it, and
            whoever supervises the server starts it again.
    """
    check_address(host, port)
    with _ending_on_sigterm():
        try:
            server.run(
                host=host,
                port=port,
                num_api_servers=1,
                log_level="warning",
                generate_client_file=False,
            )
        except KeyboardInterrupt:  # before it served; from then on LitServe ends by itself
            return
        except RuntimeError as error:
            raise WorkerError(f"the server did not start, see above: {error}") from error
        except (EOFError, OSError) as error:  # LitServe closed its queues
            raise WorkerError("a process of the server died, see above; the rest ended") from error
        finally:
            for child in multiprocessing.active_children():  # of a server that did not start
                child.terminate()


def check_address(host: str, port: int) -> None:
    """Checks that an address can be listened at.

    Raises:
        ConfigurationError: If not, with the reason.
    """
    if host not in HOSTS:
        raise ConfigurationError(f"--host is one of {', '.join(HOSTS)}, got {host!r}")
    if port not in PORTS:
        raise ConfigurationError(f"--port is {PORTS[0]} to {PORTS[-1]}, got {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened at: {error.strerror}; name another --port"
            ) from error


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Ends the server by SIGTERM as by Ctrl-C: LitServe would die and leave processes behind."""
    own = os.getpid()

    def end(*_: Any) -> None:
        if os.getpid() == own:  # processes that are forked have the handler as well
            raise KeyboardInterrupt
        os._exit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
