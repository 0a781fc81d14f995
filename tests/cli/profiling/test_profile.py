"""`latkit profile`: from the arguments to documents, files and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.cli.profiling.model_arguments import split_items
from latkit.cli.profiling.profile_run import Gates, Result, Sweep
from latkit.cli.render.comparison import show_comparison
from latkit.errors import MeasurementConflict, UsageError
from latkit.evaluation.comparison import Comparison, Interval, interleaved_comparison, stored_comparison
from latkit.profiling.profile import pairs
from latkit.profiling.profile.pairs import PairPass, PairRound
from latkit.timing import TimingPlan
from latkit.workspace import Workspace
from latkit.workspace.profiling import comparisons
from tests.conftest import Register, Run
from tests.report.made_profiles import made_latency, made_profile

PLAN = ["--rounds", "2", "--round-seconds", "0.02"]


def save(path: Path, layers: int, batch: int | str = 1) -> Path:
    weight = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    names = ["x", *(f"h{number}" for number in range(layers - 1)), "y"]
    nodes = [
        helper.make_node("MatMul", [before, "w"], [after], f"layer-{number}")
        for number, (before, after) in enumerate(pairwise(names))
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 32]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", values[:1], values[1:], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return save(folder / "old.onnx", 2), save(folder / "new.onnx", 3)


@pytest.fixture
def workspace(latkit: Run, tmp_path: Path, register: Register) -> Path:
    root = tmp_path / "ws"
    assert latkit("init", root)[0] == 0
    register(root / "devices", tmp_path / "agent")
    return root


def made_pass(a: float, b: float) -> PairPass:
    """Nanoseconds of nothing that was measured."""
    one = PairRound(subject="a", started_at=0.0, a_wall_ns=(round(a),), a_cpu_ns=(), b_wall_ns=(round(b),), b_cpu_ns=())
    return PairPass(rounds=(one, one.model_copy(update={"subject": "b"})))


def made_comparison(percent: float) -> Comparison:
    passes = [made_pass(1e15, 1e15 * (1 + percent / 100 + 0.001 * (number % 3 - 1))) for number in range(20)]
    aa = [made_pass(1e15, 1e15 * (1 + 0.001 * (-1) ** number)) for number in range(20)]
    return interleaved_comparison(made_profile("old.onnx"), made_profile("new.onnx"), passes, aa, use_cpu_time=False)


@pytest.mark.slow
def test_one_model_with_all_its_files(latkit: Run, workspace: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    files = ["--html", tmp_path / "a.html", "--trace", tmp_path / "a.json", "--model-explorer", tmp_path / "b.json"]
    found = latkit("-C", workspace, "profile", "here/onnxruntime", models[0], *PLAN, *files, "--json")
    assert found[0] == 0
    document = json.loads(found[1])
    for name in ("target", "model", "sha256", "load_ms", "first_run_ms", "peak_memory_bytes", "ops", "paced"):
        assert name in document
    assert {"min", "p50", "p90", "p99", "mean"} <= set(document["latency_ms"])
    assert {"name", "kind", "placement", "ms", "share_percent", "macs"} <= set(document["ops"][0])
    assert "old.onnx" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.json").read_text())["traceEvents"]
    assert json.loads((tmp_path / "b.json").read_text())["results"]


@pytest.mark.slow
def test_two_models_in_turn_and_a_failing_gate(
    latkit: Run, workspace: Path, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparisons, "MAX_PASSES", 9)
    monkeypatch.setattr(pairs, "PLAN", TimingPlan(rounds=1, round_s=0.005, extra_rounds=0))
    found = latkit(
        "-C", workspace, "profile", "here/onnxruntime", *models, *PLAN, "--compare", "--max-ms", 1e-9, "--json"
    )
    assert found[0] == 1
    assert "expected at most 1e-09 ms" in found[2]
    comparison = json.loads(found[1])["comparison"]
    assert comparison["difference"]["passes"] == comparison["aa"]["passes"] == 9
    (path,) = (workspace / "measurements").glob("here/*/comparisons/*.json")
    stored = Comparison.load(path)
    assert stored.difference.percent == comparison["difference"]["percent"]
    assert all(one.a_wall_ns and one.b_wall_ns for each in stored.passes for one in each.rounds)


@pytest.mark.slow
def test_against_a_stored_profile(latkit: Run, workspace: Path, models: tuple[Path, Path]) -> None:
    first = latkit("-C", workspace, "profile", "here/onnxruntime", models[0], *PLAN, "--json")
    assert first[0] == 0
    command = ("-C", workspace, "profile", "here/onnxruntime", models[1], *PLAN, "--against", "old", "--json")
    found = latkit(*command)
    assert found[0] == 0
    assert json.loads(found[1])["comparison"]["a"]["sha256"] == json.loads(first[1])["sha256"]
    (path,) = (workspace / "measurements").glob("here/*/profiles/old-*.json")
    document = json.loads(path.read_text())
    document["environment"]["runtime_version"] = "another 1"
    path.write_text(json.dumps(document))
    before = list((workspace / "measurements").glob("here/*/profiles/*"))
    refused = latkit(*command)
    assert refused[0] == 1
    assert "runtime version was another 1, is onnxruntime" in refused[2]
    assert list((workspace / "measurements").glob("here/*/profiles/*")) == before
    unknown = latkit(*command[:-2], "nothing")
    assert unknown[0] == 2
    assert "stored profiles: old.onnx, new.onnx" in unknown[2]


@pytest.mark.slow
def test_against_takes_a_profile_on_the_same_inputs(latkit: Run, workspace: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "open.onnx", 1, "n")

    def profile(batch: int, *arguments: object) -> tuple[int, str, str]:
        shape = f"x={batch},32"
        return latkit("-C", workspace, "profile", "here/onnxruntime", path, *PLAN, "--shape", shape, *arguments)

    first, _ = (json.loads(profile(batch, "--json")[1]) for batch in (2, 3))
    found = json.loads(profile(2, "--against", "open", "--json")[1])
    assert found["comparison"]["a"]["created_at"] == first["created_at"], "not the latest, which is of another batch"
    before = list((workspace / "measurements").glob("here/*/profiles/*"))
    code, out, err = profile(4, "--against", "open")
    assert (code, out) == (2, "")
    assert "open.onnx on x=4x32 float32, but found one on x=2x32" in err
    assert list((workspace / "measurements").glob("here/*/profiles/*")) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["here/onnxruntime", "a.onnx", "--max-ms", "inf"], "--max-ms with a finite number"),
        (["here/onnxruntime", "a.onnx", "--html", "a.onnx"], "ending in .html or .htm, but found a.onnx"),
        (["here/onnxruntime", "a.onnx", "--trace", "a.npz"], "ending in .json, but found a.npz"),
        (["here/onnxruntime", "a.onnx", "--trace", "t.json", "--model-explorer", "./t.json"], "found t.json twice"),
        (["here/onnxruntime"], "found no model file"),
        (["a.onnx"], "found no target"),
        (["here/onnxruntime", "a.onnx", "--threads", "1;2"], "expected --threads with numbers such as 1,2,4"),
        (["here/onnxruntime", "a.onnx", "--fail-if-slower", "3%"], "--compare or --against with --fail-if-slower"),
        (["here/onnxruntime", "a.onnx", "--compare"], "expected two models to compare, but found 1"),
        (
            ["here/onnxruntime", "a.onnx", "--compare", "--fail-if-slower", "x"],
            "expected --fail-if-slower with a percentage",
        ),
        (["here/onnxruntime", "a.onnx", "--compare", "--against", "b"], "either --compare or --against"),
        (["here/onnxruntime", "a.onnx", "b.onnx", "--threads", "1,2", "--compare"], "expected one target"),
        (["here/onnxruntime", "a.onnx", "--html", "/nowhere/a.html"], "the folder /nowhere does not exist"),
    ],
)
def test_bad_arguments_are_one_line(latkit: Run, tmp_path: Path, arguments: list[str], expected: str) -> None:
    found = latkit("-C", Workspace.init(tmp_path / "ws").root, "profile", *arguments)
    assert found[0] == 2
    assert expected in found[2]
    assert len(found[2].strip().splitlines()) == 1


def test_a_sweep_has_every_setting_once() -> None:
    found = Sweep.parse(["here/onnxruntime", "here/onnxruntime-t2"], "1,2", "1,8")
    assert [(target.threads, target.batch) for target in found.targets] == [(1, 1), (1, 8), (2, 1), (2, 8)]
    assert split_items(["pi/tflite", "a.tflite", "b.ONNX"]) == (["pi/tflite"], [Path("a.tflite"), Path("b.ONNX")])


@pytest.mark.parametrize(("percent", "limit", "code"), [(5.0, "3%", 1), (3.0, "3%", 0), (-5.0, "0", 0), (1.0, "0%", 1)])
def test_the_gate_fails_if_the_whole_interval_is_above(percent: float, limit: str, code: int) -> None:
    result = Result([], comparison=made_comparison(percent))
    assert Gates.parse(True, None, limit, None).failed(result) == code


def test_max_ms_takes_the_upper_end() -> None:
    profile = made_profile(latency_ms=made_latency(100.0))  # estimate 50, interval 25 to 100
    assert Gates.parse(False, None, None, 99.0).failed(Result([profile])) == 1
    assert Gates.parse(False, None, None, 101.0).failed(Result([profile])) == 0


def test_a_comparison_says_how_it_stands_beside_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = made_comparison(5.0)
    assert found.beyond_aa
    show_comparison(found, made_profile("old.onnx"), made_profile("new.onnx", median=200_000.0))
    out = capsys.readouterr().out
    for phrase in ("new.onnx is slower than old.onnx: +5", "itself", "slower", "20"):
        assert phrase in out
    same = made_comparison(0.0)
    assert not same.beyond_aa
    assert same.difference.verdict == "no difference"


def test_a_changed_setup_is_refused_and_named() -> None:
    stored = made_profile("old.onnx", environment={"governor": "powersave", "opset": 17})
    now = made_profile("new.onnx", environment={"governor": "performance", "opset": 17})
    with pytest.raises(MeasurementConflict, match="governor was powersave, is performance"):
        stored_comparison(stored, now)
    with pytest.raises(MeasurementConflict, match="target was made/onnxruntime-t1-fp32-b1, is made/onnxruntime-t2-fp"):
        stored_comparison(made_profile(), made_profile(threads=2))
    same = stored_comparison(stored, made_profile("new.onnx", environment=stored.environment))
    assert not same.interleaved
    assert isinstance(same.difference, Interval)


def test_a_comparison_needs_two_models() -> None:
    with pytest.raises(UsageError):
        split_items([])


@pytest.mark.slow
def test_no_command_on_devices_waits_for_libraries_that_it_does_not_need() -> None:
    heavy = "torch", "scipy", "plotly", "sklearn", "xgboost"
    modules = "sys, latkit.cli.profiling.profile_run, latkit.artifacts.cache, latkit.workspace.target_verbs"
    code = f"import {modules}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
