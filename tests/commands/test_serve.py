"""The command `serve`, where it refuses to start; what it serves is in tests/serving."""

import socket
import sys

import pytest

from lit_causalmix.commands.main import main


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["serve", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "litserve", None)
    assert "pip install 'lit-causalmix[serve]'" in said(["model"], capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no model at nowhere: it is no folder"),
        (["--port", "80"], "--port is 1024 to 65535, got 80"),
        (["--host", "example.org"], "--host is one of 127.0.0.1, 0.0.0.0, ::"),
        (["--max-rows", "0"], "--max-rows is above 0, got 0"),
        (["--timeout", "nan"], "--timeout is above 0, got nan"),
        (["--workers", "-1"], "--workers is above 0, got -1"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("litserve", reason="the extra serve is not installed")
    assert message in said(["nowhere", "--port", str(_free()), *options], capsys)


def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("litserve", reason="the extra serve is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = said(["nowhere", "--port", str(port)], capsys)
    assert f"127.0.0.1:{port} cannot be listened at: Address already in use" in line


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
