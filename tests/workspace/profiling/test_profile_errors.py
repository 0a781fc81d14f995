"""Models that a target cannot take: one line that names the reason, nothing stored, the device left clean."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from onnx import TensorProto, helper

from latkit.devices.sessions import model_profile
from latkit.errors import DeviceError, LatkitError, UsageError
from latkit.profiling.profile import ModelRequest, ProfileRequest
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace import Workspace
from tests.conftest import Register

TARGET = Target.parse("here/onnxruntime")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, register: Register) -> Workspace:
    folder = tmp_path_factory.mktemp("errors")
    made = Workspace.init(folder / "ws")
    register(made.devices_dir, folder / "agent")
    return made


def save(path: Path, op: str, domain: str = "") -> Path:
    sides = [1, 4]
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], "only", domain=domain)],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, sides)],
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def refused(workspace: Workspace, path: Path, target: Target = TARGET) -> str:
    """The error of profiling the file, after which nothing is stored and no file of it is on the device."""
    models = Path(workspace.device("here").folder) / "models"
    before = {one.name for one in models.iterdir()} if models.is_dir() else set()
    plan = TimingPlan(rounds=1, round_s=0.01, extra_rounds=0)
    with pytest.raises(LatkitError) as caught:
        workspace.profile(ProfileRequest(target=target, models=(ModelRequest(path),), plan=plan, peaks=False))
    after = {one.name for one in models.iterdir()} if models.is_dir() else set()
    new = after - before
    assert len(new) <= 1, "at most the reference"
    assert not list(workspace.target_dir(target).rglob("profiles/*"))
    if workspace.has_measurements(target):
        assert not [one for one in workspace.measurements(target) if one.role == "profile"]
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.device
@pytest.mark.parametrize(("op", "domain"), [("Frobnicate", "my.ops"), ("Frobnicate", "")])
def test_an_op_that_the_runtime_lacks_is_named(workspace: Workspace, tmp_path: Path, op: str, domain: str) -> None:
    message = refused(workspace, save(tmp_path / "net.onnx", op, domain))
    assert "net.onnx" in message
    assert op in message
    assert domain in message


@pytest.mark.device
def test_a_model_larger_than_the_disk(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_profile, "MIN_FREE_BYTES", 2**62)
    message = refused(workspace, save(tmp_path / "net.onnx", "Relu"))
    assert "free on its disk for net.onnx, but found" in message


def test_a_model_larger_than_the_memory(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", "Relu")
    session = SimpleNamespace(
        conditions=dict,
        present=frozenset(),
        device=SimpleNamespace(name="pi", facts=SimpleNamespace(memory_bytes=8)),
    )
    artifact = SimpleNamespace(path=path, files=lambda: [(path, "0" * 64)])
    with pytest.raises(DeviceError, match=r"pi: expected a model within its memory, 0 MiB, but net\.onnx has"):
        model_profile.load_file(session, artifact)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "target", "able"),
    [("net.onnx", "here/tflite", "here/onnxruntime"), ("net.tflite", "here/onnxruntime", "here/tflite")],
)
def test_another_format_names_the_targets_that_load_it(
    workspace: Workspace, tmp_path: Path, name: str, target: str, able: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"something")
    with pytest.raises(UsageError, match=rf"expected a target whose runtime loads \w+ files \({able}\)"):
        workspace.profile(ProfileRequest(target=Target.parse(target), models=(ModelRequest(path),)))
