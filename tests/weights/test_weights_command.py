import subprocess
import sys

import pytest

from lit_causalmix.commands.weights import main
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights.files import cached_file, convert


def test_list_before_and_after(source, official, tmp_path, capsys):
    assert main(["list"]) == 0
    assert "cached   no" in capsys.readouterr().out
    path = tmp_path / "tiny.cpkt"
    path.write_bytes(official)
    convert(path, source, cached_file(source))
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert str(cached_file(source)) in said
    assert "Apache-2.0" in said
    assert "tiny-weights==1.0" in said
    assert main(["path", "tabpfn-v1"]) == 0
    assert capsys.readouterr().out == f"{cached_file(source)}\n"
    assert main(["pull", "tabpfn-v1", "--pip", "no-such command", "--quiet"]) == 0


def test_errors_are_for_the_caller_to_print(source):
    with pytest.raises(WeightsError, match="cannot run 'no-such'"):
        main(["pull", "tabpfn-v1", "--pip", "no-such command", "--quiet"])
    with pytest.raises(WeightsError, match="weights pull tabpfn-v1"):
        main(["path", "tabpfn-v1"])


def test_a_wrong_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["push"])
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_help_needs_no_torch():
    code = "import sys, lit_causalmix.weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
