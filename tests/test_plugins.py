"""A package from outside adds an op kind, a runtime, a transport, a model, a space, a strategy, a task, an evaluator, a
curriculum, a supernet, a cost, a precision and a format of saved spaces; the command line uses them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from latkit._io import load_json
from tests.cli.conftest import QUICK, write_digits
from tests.cli.search.test_train_supernet import SPACE as MINI_SUPERNET
from tests.forking import Forks
from tests.search.conftest import save_stripes

ROOT = Path(__file__).parents[1]
TARGET = "board/onnxruntime_unfused"
SPACE = ["--space", "ghost-tiny", "--resolution", "16"]
SEARCH = [TARGET, *SPACE, "--data", "digits", "--latency-ms", 1, "--name", "x"]
SHORT = ["--quick", "--set", "warmup_epochs=1", "--set", "epochs=1", "--set", "training_epochs=1"]
NETWORK = "from latkit.spaces import load; load('ghost-tiny', resolution=16).decode((0, 2)).save('net.json')"

QUANTIZE = f"""
from latkit.workspace import Workspace
from latkit.workspace.requests.quantize import QuantizeRequest
quick = {{"rounds": 1, "round_s": 0.005, "extra_rounds": 0, "networks": 2, "precisions": ("fp32", "int8-dynamic")}}
settings = {{"calibration_images": 16, "judged_images": 64, "episodes": 2, "epochs": 0, "test_images": 20}}
request = QuantizeRequest(target="{TARGET}", model="second", size_mb=1.0, settings=settings, **quick)
document = Workspace(".").quantize(request).document()
print(0 < document["variants"][document["winner"]]["top2_accuracy"] <= 1)
"""
"""Of the network that `second` found: the command has no such short plan."""

Latkit = Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in `tests/plugin`, installed by pip."""
    source, place = tmp_path_factory.mktemp("plugin") / "source", tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "tests" / "plugin", source)
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", place, source], check=True)
    return place


@pytest.fixture
def python(tmp_path: Path, forked: Forks) -> Python:
    """Runs Python in a folder of its own, with what is installed in `site`."""

    def run(site: Path | str, *arguments: object) -> subprocess.CompletedProcess[str]:
        variables = {
            "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
            "LATKIT_CACHE": str(tmp_path / "cache"),
            "LATKIT_LEASES": str(tmp_path / "leases"),
        }
        return forked.run(*arguments, cwd=tmp_path, env=variables)

    return run


@pytest.fixture
def run(python: Python, site: Path) -> Latkit:
    """Runs a command of latkit there, with the package installed."""
    return lambda *arguments: python(site, "-m", "latkit", *arguments)


@pytest.fixture
def document(run: Latkit) -> Callable[..., dict]:
    """The same with --json; returns its document. The command must succeed."""

    def done(*arguments: object) -> dict:
        completed = run(*arguments, "--json")
        assert completed.returncode == 0, completed.stderr
        return json.loads(completed.stdout)

    return done


def publish(site: Path, name: str, group: str, entry: str) -> None:
    """Installs a distribution that consists of one entry point."""
    folder = site / f"{name}-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
    (folder / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_package_is_collected_fitted_predicted_searched_and_shown(
    tmp_path: Path, site: Path, document, run: Latkit, python: Python
) -> None:
    (tmp_path / "board").mkdir()
    document("init", ".")
    device = document("device", "add", "board", "--transport", "folder", tmp_path / "board")
    assert device["transport"] == {"kind": "folder", "folder": str(tmp_path / "board")}
    assert device["folder"].startswith(str(tmp_path / "board")), "the transport's home"
    assert device["runtimes"]["onnxruntime_unfused"].endswith(" unfused"), "as its loader reports it"
    assert document("device", "show", "board")["transport"] == device["transport"]

    summary = document("collect", "space", TARGET, *SPACE, "--networks", 4, *QUICK)
    assert summary["failed"] == {}
    fitted = document("fit", TARGET, *SPACE)
    assert {model["model"] for model in fitted["models"]} == {"by-macs", "lookup", "xgboost"}
    assert python(site, "-c", NETWORK).returncode == 0
    predicted = document("predict", TARGET, "net.json")
    assert [layer["op"] for layer in predicted["layers"]][1] == "ghost k3 8x16x16 > 8"
    by_macs = document("predict", TARGET, "net.json", "--model", "by-macs")["layers"]
    ratios = [layer["adds_ms"] / layer["macs"] for layer in by_macs if layer["macs"]]
    assert max(ratios) == pytest.approx(min(ratios)), "as the package's own model predicts"

    write_digits(tmp_path / "few.npz")
    arguments = ["search", TARGET, *SPACE, "--data", "few.npz", "--latency-ms", 1.005 * predicted["latency_ms"]]
    bound = ["--constraint", "ghosts<=1"]
    found = document(*arguments, "--name", "first", *bound, *SHORT, "--set", "export_tflite=false")
    assert found["measured_latency_ms"] > 0
    assert sum(op.startswith("ghost") for op in found["ops"]) == 1
    assert set(found["limits"]) == {"ghosts"}

    listed = {row["strategy"]: row for row in document("strategies")["strategies"]}
    assert listed["annealing"]["from"] == "latkit-ghost 1.0"
    own = ["--strategy", "annealing", "--strategy-set", "cooling=0.5", "--set", "task=top2"]
    judged = ["--evaluator", "trained:1", "--evaluations", 2, "--set", "export_tflite=false"]
    found = document(*arguments, "--name", "second", *own, *judged, *SHORT[:1], *SHORT[-2:])
    assert found["strategy"]["plan"]["strategy"] == "annealing"
    assert set(found["strategy"]["best"]["quantities"]) >= {"top2_accuracy", "seconds"}
    assert 0 < found["top2_accuracy"] <= 1

    assert run("report", TARGET, "-o", "page.html").returncode == 0
    assert python(site, "-c", QUANTIZE).stdout == "True\n"
    assert run("report", "second-quantized", "-o", "quantized.html").returncode == 0
    assert "top-2 accuracy of the file" in (tmp_path / "quantized.html").read_text()

    page = (tmp_path / "page.html").read_text()
    assert "ghost k3 8x16x16" in page
    assert "top-2 accuracy on test images" in (tmp_path / "search" / "second" / "report.html").read_text()
    assert "onnxruntime_unfused" in page
    removed = document("device", "remove", "board")
    assert removed["files_removed"]
    assert not list((tmp_path / "board").rglob("loader-*")), "the loader is one of latkit's files"


@pytest.mark.slow
def test_an_evaluator_a_curriculum_a_supernet_and_a_format_of_spaces_are_used(
    tmp_path: Path, document, python: Python, site: Path
) -> None:
    document("init", ".")
    (tmp_path / "ghosts.json").write_text('{"format": "latkit-ghost-tiny-1", "resolution": 8}')
    bench = ["--benchmark", "most-ghosts", "--data", ".", "--strategy", "random", "--name", "b"]
    goals = ["--goal", "ghosts:max", "--goal", "macs<=1e6", "--evaluations", 9]
    found = document("search", *bench, *goals)
    assert found["best"]["quantities"]["ghosts"] >= 1

    save_stripes(tmp_path / "stripes.npz")
    brief = ["--data", "stripes.npz", "--epochs", 1, "--set", "random_subnets=1", "--quick"]
    (tmp_path / "mini.toml").write_text(MINI_SUPERNET)
    trained = document("train-supernet", "--space", "mini.toml", "-o", "base", "--curriculum", "pairs", *brief)
    assert trained["curriculum"] == "pairs"

    write_digits(tmp_path / "few.npz")
    quick = ["--data", "few.npz", "--epochs", 1, "--set", "random_subnets=1", "--quick"]
    trained = document("train-supernet", "--space", "ghosts.json", "-o", "ghosts", *quick)
    runs = load_file(tmp_path / trained["files"]["weights"])["runs"]
    assert runs.shape == (2, 3)
    assert (runs.sum(dim=1) > 0).all(), "the supernet that the space names was trained"

    shown = document("space", "show", "ghost-tiny:fp32+int2")
    assert shown["choices"]["first"] == ["ghost k3 8x16x16 > 8", "ghost k5 8x16x16 > 8", "skip 8x16x16"] + [
        f"{op} int2" for op in ("ghost k3 8x16x16 > 8", "ghost k5 8x16x16 > 8", "skip 8x16x16")
    ]

    load = "from latkit.spaces import load; space = load('ghosts.json')"
    again = f"{load}; space.save('again.json'); print(space.key == load('ghost-tiny', resolution=8).key)"
    assert python(site, "-c", again).stdout == "True\n"
    assert load_json(tmp_path / "again.json", "a space") == load_json(tmp_path / "ghosts.json", "a space")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (
            ["predict", "board/caffe", "net.json"],
            "unknown runtime 'caffe'; known runtimes: onnxruntime, onnxruntime_unf",
        ),
        (["device", "add", "x", "--transport", "rope", "y"], "unknown transport 'rope'; known transports: adb, folder"),
        (
            ["predict", "board/torch", "net.json", "--model", "forest"],
            "unknown model kind 'forest'; known model kinds: by-macs, kernels, lookup, transfer, xgboost",
        ),
        (["fit", "board/torch", "--space", "nowhere"], "unknown space 'nowhere'; known spaces: darts, ghost-tiny"),
        (
            ["search", "--benchmark", "nasbench201", "--data", ".", "--name", "x", "--strategy", "luck"],
            "unknown strategy 'luck'; known strategies: annealing, bananas",
        ),
        (["search", *SEARCH, "--set", "task=luck"], "unknown task 'luck'; known tasks: classification, top2"),
        (["search", "--benchmark", "luck", "--data", ".", "--name", "x", "--strategy", "random"], "most-ghosts, nas"),
        (
            ["train-supernet", "--space", "ofa-tiny", "--data", ".", "-o", "x", "--curriculum", "luck"],
            "pairs, prog",
        ),
        (["fit", "board/torch", "--space", "luck.json"], "latkit-ghost-tiny-1"),
        (["space", "show", "ghost-tiny:luck"], "fp32, int16, int2, int4"),
        (["search", *SEARCH, "--constraint", "luck<=1"], "expected a constraint on ghosts, macs, params"),
    ],
)
def test_an_unknown_kind_lists_those_of_plug_ins(tmp_path: Path, run: Latkit, arguments: list[str], known: str) -> None:
    run("init", ".")
    (tmp_path / "luck.json").write_text('{"format": "luck"}')
    completed = run(*arguments)
    assert completed.returncode in (1, 2)
    assert known in completed.stderr


@pytest.mark.slow
def test_two_plug_ins_that_claim_one_name_are_named(tmp_path: Path, site: Path, python: Python) -> None:
    publish(tmp_path, "other", "latkit.runtimes", "onnxruntime_unfused = latkit_ghost.runtime:UNFUSED")
    completed = python(f"{tmp_path}{os.pathsep}{site}", "-m", "latkit", "predict", TARGET, "net.json")
    assert completed.returncode == 2
    assert "other 2.0" in completed.stderr
    assert "latkit-ghost 1.0" in completed.stderr


@pytest.mark.slow
def test_a_plug_in_that_cannot_be_imported_is_reported_once_and_breaks_nothing_else(
    tmp_path: Path, python: Python, python_without_torch: str
) -> None:
    publish(tmp_path, "broken", "latkit.runtimes", "engine = no_such_module:ENGINE")
    assert python(tmp_path, "-m", "latkit", "init", ".").stderr == ""
    there = ["--agent-folder", tmp_path / "a", "--python", python_without_torch]
    added = python(tmp_path, "-m", "latkit", "device", "add", "here", "--local", *there)
    assert added.returncode == 0, added.stderr
    assert added.stderr.count("the runtime 'engine' of broken 2.0 cannot be used: ModuleNotFoundError") == 1
    predicted = python(tmp_path, "-m", "latkit", "predict", "here/engine", "net.json")
    assert predicted.returncode == 2
    assert "cannot be used: ModuleNotFoundError" in predicted.stderr
