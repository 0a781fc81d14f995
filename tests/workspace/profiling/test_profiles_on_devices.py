"""Profiles of model files by SSH and on the phone made of packages, with both agents: from the file to its ops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.devices import Adb, Address, Ssh, add_device
from latkit.profiling.profile import ModelRequest, Profile, ProfileRequest
from latkit.targets import Target
from latkit.testing.boards.sshd import Sshd
from latkit.testing.phone.cable import cable_to
from latkit.testing.phone.emulated import Phone
from latkit.timing import TimingPlan
from latkit.workspace import Workspace

PLAN = TimingPlan(rounds=2, round_s=0.01, extra_rounds=0)
LAYERS = 3


def save_layers(path: Path, layers: int = LAYERS) -> Path:
    """So many matrix products of 32x32 and Tanh, which no runtime fuses."""
    weight = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32) / 6
    nodes = []
    for number in range(layers):
        given, taken = ("x" if not number else f"t{number - 1}"), ("y" if number == layers - 1 else f"t{number}")
        nodes += [
            helper.make_node("MatMul", [given, "w"], [f"m{number}"], f"multiply{number}"),
            helper.make_node("Tanh", [f"m{number}"], [taken], f"tanh{number}"),
        ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 32])],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.init(tmp_path / "ws")


def profiled(workspace: Workspace, target: str, path: Path) -> Profile:
    request = ProfileRequest(
        target=Target.parse(target), models=(ModelRequest(path),), plan=PLAN, op_runs=3, peaks=False, energy=False
    )
    (found,) = workspace.profile(request).profiles
    return found


def check_ops(found: Profile, layers: int = LAYERS) -> None:
    """Every node has its time; they sum to the latency."""
    kinds = ["MatMul", "Tanh"] * layers
    assert [op.kind for op in found.ops] == kinds, "complete, and in order"
    assert [op.name for op in found.ops[:2]] == ["multiply0", "tanh0"]
    assert all(op.profiled_ms > 0 for op in found.ops)
    assert found.macs == layers * 4 * 32 * 32
    assert sum(op.ms for op in found.ops) + (found.overhead_ms or 0) == pytest.approx(found.latency_ms.p50)
    assert found.profiler
    assert found.profiler.name == "onnxruntime"


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["python", "native"])
def test_over_ssh(
    sshd: Sshd, cached_bundles: Path, workspace: Workspace, tmp_path: Path, python_without_torch: str, agent: str
) -> None:
    address: Address = Ssh(host="board", config=str(sshd.config))
    python, folder = None if agent == "native" else python_without_torch, str(tmp_path / "there")
    add_device(workspace.devices_dir, "board", address, python=python, native=agent == "native", agent_folder=folder)
    found = profiled(workspace, "board/onnxruntime", save_layers(tmp_path / "net.onnx"))
    assert found.agent == agent
    assert not found.emulated
    check_ops(found)
    models = tmp_path / "there" / "models"
    before = {path.name: path.stat().st_mtime_ns for path in models.iterdir()}
    assert found.sha256 in before
    assert profiled(workspace, "board/onnxruntime", tmp_path / "net.onnx").repetition == 1
    assert {path.name: path.stat().st_mtime_ns for path in models.iterdir()} == before, "pushed once"


@pytest.mark.slow
def test_a_slow_link_gives_every_op(
    sshd: Sshd, workspace: Workspace, tmp_path: Path, python_without_torch: str
) -> None:
    """150 layers have 300 ops, about 80 kB."""
    with cable_to(sshd.port, bytes_per_s=200_000) as cable:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(sshd.known_hosts.read_text().replace(str(sshd.port), str(cable.port)))
        config = sshd.write_config(tmp_path / "config", known_hosts, port=cable.port)
        python, folder = python_without_torch, str(tmp_path / "there")
        address = Ssh(host="board", config=str(config))
        add_device(workspace.devices_dir, "board", address, python=python, agent_folder=folder)
        found = profiled(workspace, "board/onnxruntime", save_layers(tmp_path / "deep.onnx", 150))
    check_ops(found, 150)


@pytest.mark.slow
def test_on_a_phone_without_python(phone: Phone, cached_bundles: Path, workspace: Workspace, tmp_path: Path) -> None:
    add_device(workspace.devices_dir, "phone", Adb.parse(phone.address))
    found = profiled(workspace, "phone/onnxruntime", save_layers(tmp_path / "net.onnx"))
    assert found.agent == "native"
    assert found.emulated, "its latencies are not those of a phone"
    check_ops(found)
    assert found.sha256 in phone.listed("/data/local/tmp/latkit/models")
