import io
import sys

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


def test_nothing_is_shown_where_nothing_was_done_or_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Bar(3, "idle").close()
    list(each("ab", "silent", total=2, disable=True))
    with Bar(None, "bytes", scaled=True) as bar:
        bar.update(1_500)
    assert capsys.readouterr().err == "bytes: 1.50k in 00:00\n"
