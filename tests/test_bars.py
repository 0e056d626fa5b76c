import io
import os
import pty
import sys
import termios

import pytest

from lit_causalmix import bars
from lit_causalmix.bars import Bar, each


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_one_line_without_carriage_returns(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar(200, "fitting") as bar:
        for _ in range(200):
            bar.update()
        bar.tell("loss 0.5")
    assert capsys.readouterr().err == "fitting: 200 of 200 in 00:00, loss 0.5\n"


def test_long_work_tells_how_far_it_is_and_nothing_twice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    bar = Bar(4, "study", initial=1)
    for now[0] in (20.0, 40.0):  # the second is a line
        bar.update()
    now[0] = 50.0
    bar.write()
    bar.close()
    assert capsys.readouterr().err == "study: 3 of 4 in 00:40, 00:20 left\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(each("ab", "work", total=2)) == ["a", "b"]
    assert "\r" in screen.getvalue()
    assert "work: 100%" in screen.getvalue()


@pytest.mark.parametrize("rows", [0, 24])
def test_a_terminal_without_a_size_gets_lines(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (rows, 80 if rows else 0))
    with os.fdopen(writer, "w") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        assert list(each("ab", "work", total=2)) == ["a", "b"]
        screen.flush()
        shown = os.read(reader, 10_000).decode()
    os.close(reader)
    assert (shown == "work: 2 of 2 in 00:00\r\n") == (rows == 0)
    assert ("work: 100%" in shown) == (rows > 0)


def test_nothing_is_shown_where_nothing_was_done_or_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Bar(3, "idle").close()
    list(each("ab", "silent", total=2, disable=True))
    with Bar(None, "bytes", scaled=True) as bar:
        bar.update(1_500)
    assert capsys.readouterr().err == "bytes: 1.50k in 00:00\n"
