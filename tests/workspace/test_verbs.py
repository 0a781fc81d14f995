"""The verbs in Python: they take the requests of the command line, and leave the same files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import latkit
from latkit.errors import UsageError
from latkit.progress import Callbacks
from latkit.spaces import load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace import Workspace
from latkit.workspace.requests import CollectRequest, PredictRequest, SearchRequest, ValidateRequest
from tests.conftest import Run

GOLDEN = Path(__file__).parents[1] / "golden" / "workspace-0.1"
TARGET = Target("here", "onnxruntime")
BRIEF = {"warmup_epochs": 1, "epochs": 1, "training_epochs": 1, "export_tflite": False, "seed": 0}
MEASURED = {"measured.json", "report.html", "tensorboard"}
"""Of a search: what differs between two runs on one machine."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(GOLDEN, tmp_path / "workspace"))


@pytest.mark.slow
@pytest.mark.usefixtures("few_digits")
def test_a_search_from_python_leaves_what_one_from_the_shell_leaves(
    workspace: Workspace, latkit: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = load(str(workspace.root / "small.toml"))
    table = LatencyTable(space, workspace.model(TARGET, space=space))
    target_s = (table.fastest() + table.slowest()) / 2
    measured = json.loads((workspace.root / "search" / "found" / "measured.json").read_text())
    monkeypatch.setattr("latkit.workspace.searches.single_search._measured", lambda *_given: _record(measured))
    settings = [word for name, value in BRIEF.items() if name != "seed" for word in ("--set", f"{name}={value}")]
    shell = ["search", TARGET, "--space", workspace.root / "small.toml", "--data", "digits", "--quick"]
    shell += ["--latency-ms", repr(1e3 * target_s), "--name", "shell", *settings]
    code, _, err = latkit("-C", workspace.root, *shell, "--json")
    assert code == 0, err
    request = SearchRequest(
        targets=(TARGET,),
        space=space,
        data="digits",
        latencies_s=(target_s,),
        name="python",
        settings=BRIEF,
        quick=True,
    )
    messages: list[str] = []
    run = workspace.search(request, Callbacks(on_message=messages.append))
    one, other = (workspace.search_dir(name) for name in ("shell", "python"))
    assert names(one) == names(other) >= {"recipe.json", "result.json", "network.onnx", "report.html"}
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    assert contents(one / "recipe.json") == contents(other / "recipe.json")
    assert {**contents(one / "result.json"), **VARYING} == {**contents(other / "result.json"), **VARYING}
    assert run.found.folder == other
    assert "<html" in (other / "report.html").read_text(encoding="utf-8")


VARYING = {"name": "", "seconds": {}}


def _record(document: dict[str, Any]) -> object:
    from latkit.evaluation.validation import MeasuredNetwork

    return MeasuredNetwork.model_validate(document)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def contents(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def test_a_request_names_its_wrong_field() -> None:
    with pytest.raises(UsageError, match=r"CollectRequest: targets: .*at least 1 item"):
        CollectRequest(targets=())
    with pytest.raises(UsageError, match=r"ValidateRequest: networks: .*greater than or equal to 2"):
        ValidateRequest(target=TARGET, space=load("proxyless-tiny"), networks=1)
    with pytest.raises(UsageError, match="ValidateRequest: network: unknown field"):
        ValidateRequest(target=TARGET, space=load("proxyless-tiny"), network=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="unknown runtime 'abacus'"):
        PredictRequest(target="here/abacus", network=Path("net.json"))  # type: ignore[arg-type]


def test_a_request_is_written_as_json() -> None:
    request = CollectRequest(targets=("here/onnxruntime",), space="proxyless-tiny")  # type: ignore[arg-type]
    document = json.loads(request.model_dump_json())
    assert document["targets"] == [str(TARGET)]
    assert document["space"] == load("proxyless-tiny").to_json()


@pytest.mark.parametrize(
    ("given", "found"), [({}, "none"), ({"kernels": 3, "model": Path("net.onnx")}, "kernels, a model")]
)
def test_exactly_one_thing_is_collected(given: dict[str, Any], found: str, workspace: Workspace) -> None:
    with pytest.raises(UsageError, match=f"expected either a space or kernels or a model .* found {found}"):
        workspace.collect(CollectRequest(targets=(TARGET,), **given))


def test_the_verbs_of_the_command_line_are_those_of_the_workspace() -> None:
    from latkit.cli import app

    commands = {command.callback.__name__ for command in app.app.registered_commands if command.callback}
    missing = {name for name in commands - {"demo", "serve", "strategies"} if not hasattr(latkit.Workspace, name)}
    assert not missing
    assert {"add_device", "doctor", "collect", "export_table", "import_table", "init"} <= set(dir(latkit.Workspace))
