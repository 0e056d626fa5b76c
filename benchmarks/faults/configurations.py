"""Damaged configurations: each is refused in one line, or does what it says; no command is run.

`python benchmarks/faults/configurations.py --count 1000` changes the packaged YAML files at random
(kinds of values, nesting, class paths, odd text, huge numbers, aliases, bytes) and gives them to
the command line: most up to the built objects, some to a plan of a study, a share to a real fit of
two steps. Some class paths name functions and classes that leave a file when they are called. A
traceback, a hang (processor time), another message than one line, or such a file is a fault; the
exit status is their number, at most 100. `--keep FOLDER` keeps what failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.configuration import config_folder
from lit_causalmix.seeding import rng

SLOW = 60
"""Seconds of processor time after which a command counts as hanging."""
_MEMORY = 12 * 2**30
_SHARE_OF_FITS, _SHARE_OF_PLANS = 0.06, 0.06

_TRAPS = """
from pathlib import Path
from lightning.pytorch import Callback
from torch.optim import SGD, Optimizer
from lit_causalmix.generators import Generator

def touch(*args, **kwargs):
    Path("called").touch()

def optimizer(params, lr: float = 0.1) -> Optimizer:
    touch()
    return SGD(params, lr)

def generator() -> Generator:
    touch()

def callback() -> Callback:
    touch()

class Thing:
    def __init__(self, *args, **kwargs):
        touch()
    def __call__(self, *args, **kwargs):
        touch()
"""
_CLASSES = (
    *("traps.touch", "traps.optimizer", "traps.generator", "traps.callback", "traps.Thing"),
    *("os.system", "subprocess.run", "builtins.exec", "shutil.rmtree", "pathlib.Path.touch"),
    *("functools.partial", "collections.OrderedDict", "torch.nn.Linear", "torch.optim.SGD"),
    *("lit_causalmix.backbones.Tab2D", "lit_causalmix.callbacks.EMAWeights", "Nano", "LoRA"),
    *("no_such.Thing", "lit_causalmix", "lit_causalmix.backbones", ".", "a.", ".a", "a..b", "ä.ö"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e308, 1e-320),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        " ",
        "null",
        "~",
        "1e5",
        "0x1F",
        "1_000",
        "=1",
    ),
    *("\u202e", "\ud7ff", "名前", "a" * 5000, "../../x", "x\ny", "{", "]", "%s", "${HOME}", "\x7f"),
    *("2024-01-01", "12:30:45", "no", "<<", "*a", "&a", "!x", "traps.touch", "os.system", "[1, 2]"),
    *([], {}, [[]], [None], [1, "a", {}], {"a": 1}, {"class_path": None}, {"init_args": {}}),
    *(
        {"class_path": "x", "init_args": 3},
        {"class_path": ["Nano"]},
        {"": ""},
        {"a.b": 1},
        {"+": 1},
    ),
    *({1: 2}, {None: 1}, {True: 0}, {1.5: []}, [{"class_path": "traps.touch"}]),
)
_PIECES = (
    *(
        b"\t",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"---\n",
        b"...\n",
        b"%YAML 9.9\n",
        b"*a ",
    ),
    *(b"&a ", b"<<: *a\n", b"? [a]\n: b\n", b"!!python/object/apply:os.system ['touch called']"),
    *(b"!!binary x", b"!!set {a}", b"!!timestamp 2024-99-99", b"[" * 60, b"{" * 60, b"- " * 60),
    *(b"'", b'"', b"|\n", b">", b": ", b"#", b"@", b"`", b"=", b"\xc2\x85", b"\xe2\x80\xa8"),
)


class Hang(BaseException):
    """A command that took too long."""


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a configuration."""
    if path:
        yield path
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))
        else:
            yield (*path, key)


def change(content: Any, random: np.random.Generator) -> None:
    """Changes one value, key or class of a configuration, in place."""
    every = list(places(content))
    if not every:
        return
    *above, key = every[int(random.integers(len(every)))]
    holder = content
    for name in above:
        holder = holder[name]
    kind = int(random.integers(8))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        letters = list(str(key))
        letters[int(random.integers(len(letters) or 1)) : 1] = ["x"]
        holder["".join(letters)] = holder.pop(key)
    elif kind == 2:
        holder[key] = {"class_path": _one_of(_CLASSES, random), "init_args": holder[key]}
    elif kind == 3:
        holder[key] = _one_of(_CLASSES, random)
    elif kind == 4:
        holder[key] = [holder[key]] * int(random.integers(1, 4))
    elif kind == 5 and isinstance(holder, dict):
        holder[_one_of((1, None, True, "class_path", "init_args", "+", "a.b"), random)] = 1
    else:
        holder[key] = _one_of(_VALUES, random)


def damaged(random: np.random.Generator, sources: list[Path]) -> bytes:
    """The bytes of a packaged configuration with a few changes."""
    content = yaml.safe_load(_one_of(sources, random).read_text(encoding="utf-8"))
    for _ in range(int(random.integers(0, 4))):
        change(content, random)
    text = yaml.dump(content, Dumper=yaml.SafeDumper, allow_unicode=bool(random.integers(2)))
    data = bytearray(text.encode("utf-8", errors="surrogatepass"))
    if random.random() < 0.35:
        for _ in range(int(random.integers(1, 3))):
            at = int(random.integers(len(data) + 1))
            data[at:at] = _one_of(_PIECES, random)
    if random.random() < 0.05:
        del data[int(random.integers(len(data) + 1)) :]
    return bytes(data)


def _one_of(values: Any, random: np.random.Generator) -> Any:
    return values[int(random.integers(len(values)))]


def command(random: np.random.Generator, plan: bool) -> list[str]:
    """A command line that reads `given.yaml`."""
    if plan:
        word = _one_of((["run", "--plan"], ["status"]), random)
        return ["study", word[0], "--config", "given.yaml", *word[1:], "--out=results"]
    small = ["--config", "small.yaml", "--config", "given.yaml"]
    # Last on the line, these win: one process, two steps, nothing to train for hours on.
    bounds = ["--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.accelerator=cpu"]
    bounds += ["--trainer.strategy=auto", "--data.num_workers=0", "--data.cache_dir=cache"]
    if random.random() < _SHARE_OF_FITS:
        bounds += ["--trainer.max_steps=2", "--trainer.max_epochs=1", "--data.synthetic_ratio=0"]
        return ["fit", *small, *bounds, "--data.table.source=table.csv", "--data.table.target=y"]
    kind = int(random.integers(4))
    if kind == 0:
        return ["fit", *small, "--data.table.source=table.csv", "--print_config"]
    if kind == 1:
        return ["inspect", "--config=given.yaml", "--data.table.source=nothing.csv"]
    word = _one_of(("fit", "validate", "test", "predict"), random)
    return [word, *small, *bounds, "--data.table.source=nothing.csv"]


def outcome(line: list[str]) -> tuple[str, str]:
    """What a command comes to, and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        signal.setitimer(signal.ITIMER_PROF, SLOW)
        try:
            status = main(line)
        except SystemExit as stop:
            status = int(stop.code or 0)
        except Hang:
            return "hang", "".join(traceback.format_exc())
        except BaseException:
            return "traceback", "".join(traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    errors = [s for s in said.getvalue().splitlines() if s.startswith("lit-causalmix: error: ")]
    if status == 0:
        return "accepted", ""
    if status == 1 and line[0] == "study":
        return "accepted", ""
    if len(errors) == 1 and "Traceback" not in said.getvalue() and len(errors[0]) < 2100:
        return "refused in one line", errors[0]
    return "another message", said.getvalue()


def _workplace() -> None:
    random = rng(0, "table")
    x = random.normal(size=(60, 2)).round(3)
    rows = "".join(f"{a},{b},{'yes' if a > 0 else 'no'}\n" for a, b in x)
    Path("table.csv").write_text(f"a,b,y\n{rows}")
    Path("traps.py").write_text(_TRAPS)
    tab2d = {"class_path": "lit_causalmix.backbones.Tab2D", "init_args": {"dim": 16, "n_layers": 1}}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    Path("small.yaml").write_text(yaml.safe_dump({"model": {"backbone": tab2d}, "trainer": quiet}))


def run(count: int, seed: int, keep: Path | None) -> Counter[str]:
    """Damages and runs, and says what became of each; returns the counts."""
    sources = sorted(config_folder().rglob("*.yaml"))
    studies = [path for path in sources if path.parent.name == "study"]
    fits = [path for path in sources if path not in studies]
    counts: Counter[str] = Counter()
    _workplace()
    for number in range(count):
        random = rng(seed, "configuration", number)
        plan = bool(random.random() < _SHARE_OF_PLANS)
        data = damaged(random, studies if plan else fits)
        Path("given.yaml").write_bytes(data)
        line = command(random, plan)
        result, said = outcome(line)
        if Path("called").exists():
            result = "command run"
            Path("called").unlink()
        counts[result] += 1
        counts[f"  as {line[0]}{' (fit)' if '--trainer.max_steps=2' in line else ''}"] += 1
        if result not in ("accepted", "refused in one line"):
            sys.stderr.write(f"{number}: {result}: {' '.join(line)}\n{said[-1500:]}\n")
            if keep is not None:
                (keep / f"{seed}-{number}.yaml").write_bytes(data)
    return counts


def _main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=lambda text: Path(text).resolve(), default=None)
    options = parser.parse_args()
    sys.argv = sys.argv[:1]
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))

    def hang(*_: Any) -> None:
        raise Hang

    signal.signal(signal.SIGPROF, hang)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        counts = run(options.count, options.seed, options.keep)
        os.chdir("/")
    for name, number in sorted(counts.items()):
        sys.stdout.write(f"{name}: {number}\n")
    fine = counts["accepted"] + counts["refused in one line"]
    return min(options.count - fine, 100)


if __name__ == "__main__":
    sys.exit(_main())
