"""The verbs in Python: they take the requests of the command line, and leave the same files."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
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
from tests.golden.fields import commands

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


VERBS = {
    "agent build": "latkit.devices.provisioning.bundle:bundle_for",
    "cache clear": "latkit.artifacts.cache_limit:remove_unused",
    "cache show": "latkit.artifacts.cache_size:cached_files",
    "collect kernels": "collect",
    "collect model": "collect",
    "collect space": "collect",
    "demo": "latkit.cli.workspace.demo_steps:run_demo",
    "device add": "add_device",
    "device doctor": "doctor",
    "device list": "devices",
    "device remove": "remove_device",
    "device show": "devices",
    "device trust": "trust",
    "measurements export": "export_measurements",
    "measurements import": "import_measurements",
    "measurements repair": "repair_measurements",
    "serve": "latkit.serve.server:Server",
    "space list": "latkit.spaces:SPACES",
    "space show": "latkit.spaces:load",
    "strategies": "latkit.search.strategies:STRATEGIES",
    "table export": "export_table",
    "table import": "import_table",
    "target list": "targets",
}
"""By command: the method of a workspace, if it has another name; or a function, if it is about no workspace or, as the
live view, above it."""


@pytest.mark.parametrize("command", commands())
def test_every_command_is_a_verb_in_python(command: str) -> None:
    module, colon, name = VERBS.get(command, command.replace("-", "_")).rpartition(":")
    assert callable(getattr(latkit.Workspace, name, None)) or (colon and hasattr(import_module(module), name))


def test_no_verb_is_out_of_date() -> None:
    assert set(VERBS) <= set(commands())


def test_a_workspace_lists_its_targets(workspace: Workspace) -> None:
    assert (TARGET, True) in [(state.target, state.is_measured) for state in workspace.targets()]
