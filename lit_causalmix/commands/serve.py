"""The command `lit-causalmix serve FOLDER`: a kept model over HTTP."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lit_causalmix.backbones.extras import needed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lit-causalmix serve",
        description="Serve a kept model over HTTP: POST /predict, GET /schema, GET /health.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="RUN/model, or what save() wrote")
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 or :: listens to other machines as well"
    )
    parser.add_argument("--port", type=int, default=8000, help="1024 to 65535")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, …")
    parser.add_argument("--workers", type=int, default=1, help="processes that predict")
    parser.add_argument("--max-rows", type=int, default=10_000, help="most rows of a request")
    parser.add_argument("--max-bytes", type=int, default=10_000_000, help="most bytes of a request")
    parser.add_argument("--timeout", type=float, default=60.0, help="longest wait in seconds")
    parser.add_argument(
        "--together", type=int, default=64, help="most requests predicted in one go"
    )
    parser.add_argument(
        "--own-code", action="store_true", help="import a backbone from outside this package"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serves a model until it is interrupted.

    Args:
        argv: Arguments after `serve`; by default those of the process.

    Returns:
        The exit status, 0.

    Raises:
        LitCausalMixError: For a folder that holds no whole model, an address that cannot be
            listened at, or where the extra `serve` is not installed.
    """
    arguments = _parser().parse_args(argv)
    needed("litserve", extra="serve", by="serving a model")
    from lit_causalmix.serving.server import Limits, check_address, make_server, serve

    check_address(arguments.host, arguments.port)
    limits = Limits(
        max_rows=arguments.max_rows,
        max_bytes=arguments.max_bytes,
        timeout=arguments.timeout,
        together=arguments.together,
        workers=arguments.workers,
    )
    server = make_server(
        arguments.folder, limits, device=arguments.device, own_code=arguments.own_code
    )
    sys.stdout.write(f"{arguments.folder}: http://{arguments.host}:{arguments.port}/predict\n")
    sys.stdout.flush()
    serve(server, host=arguments.host, port=arguments.port)
    return 0
