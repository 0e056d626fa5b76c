"""Weights of the hub, fetched by its own client from a server in this process."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lit_causalmix.backbones import Tab2D
from lit_causalmix.commands.weights import main
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights.hub import HUB, hub_file, official_file, pulled_folder
from lit_causalmix.weights.licences import PRIOR_LABS_NON_COMMERCIAL, announce

NAME = "mitra-v2-classifier"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(http.server.BaseHTTPRequestHandler):
    """What the client asks of a hub: the heads of files, then the files."""

    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        content = self.files.get(self.path.rpartition("/")[2])
        if content is None or "/resolve/" not in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment of a command whose hub serves a small Mitra."""
    pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")
    model = tmp_path / "model"
    Tab2D(dim=8, n_layers=1, n_heads=2).save_pretrained(model)
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    handler = type("Hub", (_Hub,), {"files": files})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield os.environ | {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
            "HF_HOME": str(tmp_path / "hub"),
            "LIT_CAUSALMIX_CACHE": str(tmp_path / "cache"),
        }
        server.shutdown()


def weights(hub: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lit_causalmix", "weights", *arguments]
    return subprocess.run(command, env=hub, capture_output=True, text=True, check=False)


def test_pull_then_use(hub: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = weights(hub, "pull", NAME)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert folder.name == COMMIT
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", hub["LIT_CAUSALMIX_CACHE"])
    record = json.loads(HUB[NAME].record.read_text())
    assert record["commit"] == COMMIT
    assert record["licence"] == "Apache-2.0"
    assert pulled_folder(HUB[NAME]) == folder
    assert Tab2D(weights=str(folder)).config.dim == 8
    # a second time it is there, network or not
    alone = hub | {"HF_ENDPOINT": "http://127.0.0.1:1"}
    again = weights(alone, "pull", NAME)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert weights(alone, "path", NAME).stdout == first.stdout


def test_an_altered_file_is_noticed(hub: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(weights(hub, "pull", NAME).stdout.strip())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text("{}")
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", hub["LIT_CAUSALMIX_CACHE"])
    with pytest.raises(WeightsError, match=rf"not what was pulled: run .*pull {NAME}"):
        pulled_folder(HUB[NAME])


def test_a_hub_that_lacks_the_file_is_one_line(hub: dict[str, str]) -> None:
    found = weights(hub, "pull", "tabicl-v2-classifier")
    assert found.returncode == 2
    assert "the hub download of tabicl-classifier-v2-20260212.ckpt of jingang/TabICL failed" in (
        found.stderr
    )
    assert len(found.stderr.strip().splitlines()) == 1


def test_what_has_not_been_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"have not been pulled yet: run .*weights pull {NAME}"):
        main(["path", NAME])
    HUB[NAME].record.parent.mkdir(parents=True)
    HUB[NAME].record.write_text("[]")
    with pytest.raises(WeightsError, match="no record of weights"):
        main(["path", NAME])


def test_list_has_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
    main(["list"])
    said = capsys.readouterr().out
    for source in HUB.values():
        assert f"{source.name}: " in said
        assert source.repository in said
    assert "Built with PriorLabs-TabPFN" in said


def test_a_file_is_found_by_path_or_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.ckpt"
    torch.save({}, path)
    assert official_file(str(path)) == path
    assert official_file("nothing") is None
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # its import fails
    with pytest.raises(WeightsError, match=r"pip install 'lit-causalmix\[hub\]'"):
        hub_file("owner/name/file.ckpt")


def test_a_licence_without_commercial_use_has_to_be_accepted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(WeightsError, match=r"non-commercial use.*accept_license to true"):
        announce("some weights", PRIOR_LABS_NON_COMMERCIAL, accepted=False)
    assert capsys.readouterr().err == ""
    announce("some weights", PRIOR_LABS_NON_COMMERCIAL, accepted=True)
    assert capsys.readouterr().err == "some weights: licence of Prior Labs (non-commercial use)\n"
