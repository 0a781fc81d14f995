"""Profiles of model files on this machine, from the file to the record."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.devices import leased
from latkit.errors import BadFile, LatkitError, ModelRejected, UsageError
from latkit.measurements.frames import to_frame
from latkit.profiling.profile import ModelRequest, Profile, ProfileRequest
from latkit.progress import Callbacks
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace import Workspace
from latkit.workspace.profiling.profiles import profile_models, profiles_folder, saved_profiles
from tests.conftest import Register

TARGET = Target.parse("here/onnxruntime")
PLAN = TimingPlan(rounds=2, round_s=0.02, extra_rounds=0)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, register: Register) -> Workspace:
    """A workspace with this machine in it."""
    folder = tmp_path_factory.mktemp("profiles")
    made = Workspace.init(folder / "ws")
    register(made.devices_dir, folder / "agent")
    return made


def save(path: Path, nodes: list, size: int = 64) -> Path:
    weight = np.random.default_rng(size).standard_normal((size, size)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def net(tmp_path: Path) -> Path:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], "multiply"), helper.make_node("Relu", ["h"], ["y"], "clip")]
    return save(tmp_path / "net.onnx", nodes)


def request(*paths: Path, **fields: object) -> ProfileRequest:
    given = {"plan": PLAN, "peaks": False, "op_runs": 3, "paced_runs": 3, **fields}
    return ProfileRequest(target=TARGET, models=tuple(ModelRequest(path) for path in paths), **given)  # type: ignore[arg-type]


def models_on(workspace: Workspace) -> set[str]:
    folder = Path(workspace.device("here").folder) / "models"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.mark.slow
def test_a_profile_is_measured_saved_and_exported(workspace: Workspace, net: Path) -> None:
    (found,) = profile_models(workspace, request(net, intervals_ms=(5.0,), peaks=True)).profiles
    assert found.latency_ms.runs >= PLAN.rounds
    assert found.latency_ms.min <= found.latency_ms.p50 <= found.latency_ms.p90 <= found.latency_ms.p99
    assert found.load_ms
    assert found.first_run_ms
    assert found.peak_memory_bytes
    assert found.peaks
    assert found.paced
    assert found.paced.latency_ms.runs == 3
    assert [(op.name, op.kind, op.macs) for op in found.ops] == [("multiply", "MatMul", 64 * 64), ("clip", "Relu", 0)]
    assert found.ops[0].bytes == 4 * (64 + 64 * 64 + 64)
    assert found.ops[0].bound in (None, "cache", "memory", "compute")
    assert found.macs == 64 * 64
    assert sum(op.ms for op in found.ops) + (found.overhead_ms or 0) == pytest.approx(found.latency_ms.p50)
    assert found.energy is None or found.energy.joules_per_run > 0
    (path,) = profiles_folder(workspace, TARGET).glob("net-*.json")
    assert Profile.load(path) == found
    with workspace.store(TARGET) as store:
        (measurement,) = [m for m in store.measurements("profile") if m.workload == found.model_file]
    assert len(to_frame([measurement])) == PLAN.rounds


def test_another_profile_of_the_same_file_is_measured_anew(workspace: Workspace, net: Path) -> None:
    first, second = (profile_models(workspace, request(net, ops=False)).profiles[0] for _ in range(2))
    assert second.repetition == first.repetition + 1
    assert first.environment == second.environment
    mine = [p for p in saved_profiles(workspace, TARGET) if p.sha256 == first.sha256]
    assert {p.repetition for p in mine} >= {first.repetition, second.repetition}


def test_an_interrupted_profile_is_resumed(workspace: Workspace, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (done,) = profile_models(workspace, request(net, ops=False)).profiles
    (path,) = profiles_folder(workspace, TARGET).glob(f"net-*-{done.repetition}.json")
    path.unlink()  # as if it had ended between the last round and the file
    (again,) = profile_models(workspace, request(net, ops=False)).profiles
    assert again.repetition == done.repetition
    assert again.latency_ms == done.latency_ms


def test_a_profile_that_waited_for_the_device_is_one_of_its_own(workspace: Workspace, net: Path) -> None:
    """The number is taken once the device is held: the command that held it before may have saved one."""
    (first,) = profile_models(workspace, request(net, ops=False)).profiles
    with ExitStack() as stack:
        stack.enter_context(leased(workspace.device("here"), "another command"))
        folder = profiles_folder(workspace, TARGET)
        theirs = folder / f"net-{first.model_file.key[:8]}-{first.repetition + 1}.json"

        def on_message(text: str) -> None:
            if text.startswith("waiting for here"):
                theirs.write_text("{}")
                stack.close()

        (found,) = profile_models(
            workspace, request(net, ops=False, wait_s=60.0), Callbacks(on_message=on_message)
        ).profiles
    assert found.repetition == first.repetition + 2
    assert theirs.read_text() == "{}"
    theirs.unlink()


def test_several_models_are_interleaved(workspace: Workspace, net: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "other.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"], "m")], 32)
    outcome = profile_models(workspace, request(net, other, ops=False))
    assert [profile.model for profile in outcome.profiles] == ["net.onnx", "other.onnx"]
    keys = {profile.model_file.key: profile for profile in outcome.profiles}
    with workspace.store(TARGET) as store:
        begun = [
            (one_round.started_at, m.workload.key)
            for m in store.measurements("profile")
            if m.workload.key in keys and m.repetition == outcome.profiles[0].repetition
            for one_round in m.rounds
        ]
    order = [key for _, key in sorted(begun)]
    assert len(order) == 2 * PLAN.rounds
    assert set(order[:2]) == set(order[2:]) == set(keys)


def test_a_model_that_the_runtime_rejects_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    bad = save(tmp_path / "bad.onnx", [helper.make_node("Teleport", ["x", "w"], ["y"], domain="my.ops")])
    before, profiles = models_on(workspace), len(saved_profiles(workspace, TARGET))
    with pytest.raises(ModelRejected, match=r"bad\.onnx: onnxruntime.*my\.ops") as caught:
        profile_models(workspace, request(bad))
    assert "\n" not in str(caught.value)
    assert "Teleport" in str(caught.value) or "my.ops" in str(caught.value)
    assert {name for name in models_on(workspace) - before if len(name) == 64} <= _reference_files(workspace)
    assert len(saved_profiles(workspace, TARGET)) == profiles


def _reference_files(workspace: Workspace) -> set[str]:
    from latkit.timing import REFERENCE

    return {workspace.exporter(TARGET)(REFERENCE).sha256}


def test_a_rejected_model_does_not_stop_the_others(workspace: Workspace, net: Path, tmp_path: Path) -> None:
    bad = save(tmp_path / "bad.onnx", [helper.make_node("Teleport", ["x", "w"], ["y"], domain="my.ops")])
    outcome = profile_models(workspace, request(bad, net, ops=False))
    assert [profile.model for profile in outcome.profiles] == ["net.onnx"]
    assert list(outcome.failed) == [bad]


def test_bad_files_are_refused_before_the_device_is_touched(workspace: Workspace, net: Path, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    cases: list[tuple[ProfileRequest, type[LatkitError], str]] = [
        (request(tmp_path / "no.onnx"), BadFile, "ONNX"),
        (request(tmp_path / "none.onnx"), BadFile, "no such file"),
        (request(net, net), UsageError, "the same"),
        (request(tmp_path / "x.txt"), UsageError, r"\.onnx or \.tflite"),
    ]
    for wrong, kind, expected in cases:
        with pytest.raises(kind, match=expected):
            profile_models(workspace, wrong)


def test_a_damaged_profile_is_named_and_left_out(workspace: Workspace) -> None:
    folder = profiles_folder(workspace, TARGET)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "broken-00000000-0.json").write_text("{")
    remarks: list[str] = []
    saved_profiles(workspace, TARGET, remarks.append)
    assert len(remarks) == 1
    assert "broken-00000000-0.json" in remarks[0]
    (folder / "broken-00000000-0.json").unlink()


def test_the_store_names_the_file(workspace: Workspace, net: Path) -> None:
    profile_models(workspace, request(net, ops=False))
    with sqlite3.connect(workspace.target_dir(TARGET) / "measurements.sqlite") as connection:
        documents = [text for (text,) in connection.execute("SELECT document FROM subjects")]
    assert any('"name": "net.onnx"' in text for text in documents)
