"""Two targets in one command: out of reach on one of them, then resumed; and the cross table."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from latkit.evaluation.cross_evaluation import Entry, cross_evaluate
from latkit.evaluation.validation import measure_network, unseen_networks
from latkit.progress import SILENT
from latkit.search.baselines import Baselines
from latkit.spaces import load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace import MeasureOptions, Workspace
from latkit.workspace.compare import Reach
from tests.builders import middle_path_s
from tests.cli.conftest import FEW_STEPS, QUICK, write_digits
from tests.forking import Forks

ONE, TWO = "here/onnxruntime-t1-fp32-b1", "here/onnxruntime-t2-fp32-b1"
QUICK_SETTINGS = ["--quick", "--set", "architecture_share=0.9", *FEW_STEPS]


@pytest.fixture
def copy(folder: Path, tmp_path: Path, document, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the workspace, with a second target, of two threads: they may be fitted however busy the machine is."""
    monkeypatch.setattr("latkit.measurements.selection.contended", lambda _measurement: "")
    made = Path(shutil.copytree(folder, tmp_path / "copy"))
    document("-C", made, "collect", "space", TWO, "--space", made / "small.toml", "--networks", 3, *QUICK)
    document("-C", made, "fit", TWO, "--space", made / "small.toml")
    return made


def middle_ms(root: Path, target: str) -> float:
    space = load(str(root / "small.toml"))
    table = LatencyTable(space, Workspace(root).model(Target.parse(target), space=space))
    return 1e3 * middle_path_s(table)


def rounds(root: Path) -> int:
    measured = [m for name in (ONE, TWO) for m in Workspace(root).measurements(Target.parse(name))]
    return sum(len(measurement.rounds) for measurement in measured)


@pytest.mark.slow
@pytest.mark.usefixtures("few_digits")
def test_two_targets_share_a_warm_up_and_meet_in_the_cross_table(copy: Path, document, latkit) -> None:
    arguments = [
        "-C",
        copy,
        "search",
        ONE,
        TWO,
        "--space",
        copy / "small.toml",
        "--data",
        "digits",
        "--name",
        "pair",
        *QUICK_SETTINGS,
    ]
    goal = ["--latency-ms", middle_ms(copy, ONE), "--latency-ms"]
    code, out, err = latkit(*arguments, *goal, 1e-6, "--json")
    assert code == 1
    first, failed = json.loads(out)["searches"]
    assert first["accuracy"] >= 0
    assert "expected a latency target that space small can reach" in failed["error"]
    assert f"error: {failed['name']}: {TWO} at 1e-06 ms" in err
    assert err.index(f"{TWO} at 1e-06 ms cannot work; the others are searched: expected") < err.index("1 of 2")
    assert json.loads(out)["cross_table"]["networks"][0]["name"] == first["name"]

    found = document(*arguments, *goal, middle_ms(copy, TWO), "--resume")
    again, second = found["searches"]
    assert again == first
    assert f"the warm-up is that of {first['name']}, its time counted there" in second["notes"]
    cross_table = found["cross_table"]
    assert cross_table["targets"] == [ONE, TWO]
    assert [row["target"] for row in cross_table["networks"]] == [ONE, TWO, ""]
    for row in cross_table["networks"]:
        assert all(cell["measured"] > 0 for cell in row["latencies_ms"].values())
        assert all((cell["predicted"] is None) == (row["kind"] == "zoo") for cell in row["latencies_ms"].values())
    own = cross_table["networks"][1]["latencies_ms"][TWO]
    assert own["measured"] == pytest.approx(second["measured_latency_ms"])
    assert [claim["network"] for claim in cross_table["own_target"]] == [first["name"], second["name"]]

    before = rounds(copy)
    compared = document("-C", copy, "compare", "pair")
    assert rounds(copy) == before, "measured already: nothing new"
    assert {**compared, "file": ""} == {**cross_table, "file": ""}
    assert Path(compared["file"]).parent == copy / "search" / "pair"
    check_absent(copy, latkit, document)


def check_absent(copy: Path, latkit, document) -> None:
    """What cannot be measured, here on a GPU that is not there, is absent with the reason."""
    if not torch.cuda.is_available():
        found = document("-C", copy, "compare", "pair", "--target", "here/torch_cuda")
        cell = found["networks"][0]["latencies_ms"]["here/torch_cuda-t1-fp32-b1"]
        assert cell["measured"] is cell["predicted"] is None
        assert cell["reason"]
    code, out, err = latkit("-C", copy, "compare", "pair", "nothing")
    assert (code, out) == (2, "")
    assert "expected a finished search or a series with one, but found none called 'nothing'" in err


@pytest.fixture
def torchrun(forked: Forks, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of latkit by two processes."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", 2, "-m", "latkit"]
    own = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHON_EXEC": str(forked.python(tmp_path))}
    return lambda *arguments: forked.run(*launcher, *arguments, env=own)


@pytest.mark.slow
def test_two_processes_search_a_series_and_train_its_baselines(folder: Path, tmp_path: Path, torchrun) -> None:
    root = Path(shutil.copytree(folder, tmp_path / "copy"))
    space = load(str(root / "small.toml"))
    table = LatencyTable(space, Workspace(root).model(Target.parse(ONE), space=space))
    small, large = (1, 4), (3, 1)
    write_digits(tmp_path / "few.npz")
    arguments = ["-C", root, "search", ONE, "--space", root / "small.toml", "--data", tmp_path / "few.npz"]
    arguments += QUICK_SETTINGS
    goals = [word for path in (small, large) for word in ("--latency-ms", 1e3 * table.total(path))]
    done = torchrun(*arguments, *goals, "--name", "both", "--baseline", "random:1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["predicted_latency_ms"] for one in found["searches"]] == pytest.approx(goals[1::2], rel=0.02)
    assert "the warm-up is that of" in found["searches"][1]["notes"][0]
    for one in found["searches"]:
        (record,) = Baselines.load(root / "search" / one["name"]).records
        assert record.predicted_latency_s == pytest.approx(1e-3 * one["target_latency_ms"], rel=0.02)

    failed = torchrun(*arguments, *goals[:2], "--latency-ms", 1e-6, "--name", "lost", "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "expected a latency target that space small can reach" in failed.stderr


def test_a_network_whose_measurements_never_agree_is_measured_six_times(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latkit.evaluation.validation.AGREEMENT", -1.0)
    workspace, target = Workspace(shutil.copytree(folder, tmp_path / "copy")), Target.parse(ONE)
    space = load(str(folder / "small.toml"))
    model = workspace.model(target, space=space)
    network = unseen_networks(model, space, 2)[0].network
    with workspace.collection(target, MeasureOptions(TimingPlan(3, 0.02, extra_rounds=0))) as collection:
        found = measure_network(collection, model, network).network
    repetitions = [m.repetition for m in workspace.measurements(target) if m.workload == network]
    assert sorted(repetitions) == [0, 1, 2, 3, 4, 5]

    entries, reach = [Entry("own", "derived", network)], Reach(workspace, "lookup", MeasureOptions(), SILENT)
    table = cross_evaluate("x", entries, reach.columns([target], entries))
    (cell,) = table.rows[0].cells.values()
    # a baseline may have been established meanwhile: it scales both, and never their ratio
    assert cell.first_ms / cell.second_ms == pytest.approx(found.first_ms / found.second_ms)
    assert len([m for m in workspace.measurements(target) if m.workload == network]) == 6
