"""Messages of the parser: one line, what was probably meant, nothing of the parser's inside."""

from collections.abc import Callable

import pytest

from lit_causalmix.configuration.parser import Parser
from lit_causalmix.errors import ConfigurationError


class Engine:
    """What a setting expects."""

    def __init__(self, cylinders: int = 4) -> None: ...


class Diesel(Engine):
    """One of its kinds."""


def parser() -> Parser:
    made = Parser()
    made.add_argument("--speed", type=float)
    made.add_argument("--engine", type=Engine | None)
    made.add_argument("--made", type=Callable[[int], Engine] | None)
    return made


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--sped=3"], "unrecognized arguments: --sped=3 (did you mean speed?)"),
        (["--speed=fast"], '"speed": Expected a float. Got value: fast'),
        (["--engine=Deisel"], '"engine": no class is called Deisel (did you mean Diesel?)'),
        (["--engine=Diesel", "--engine.cylindres=3"], "did you mean cylinders?"),
        (["--engine=no_such_module.Diesel"], "No module named 'no_such_module'"),
        (["--engine=argparse.Namespace"], "does not correspond to a subclass of Engine"),
        (["--engine=os.system"], "Importing 'os.system' is not allowed"),
    ],
)
def test_one_short_line(line: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parser().parse_args(line)
    message = str(refusal.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 300
    for inside in ("Union", "Namespace(", "typing.", "<class", "allowlist", "Parser key"):
        assert inside not in message
