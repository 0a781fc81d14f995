"""Every verb on a real device: this machine."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import latkit as package
from latkit.measurements import read_parquet
from latkit.ops import OVERHEAD_PROBE, Network
from latkit.search.baselines import Baselines
from latkit.spaces import load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.builders import middle_path_s
from tests.cli.conftest import FEW_STEPS, QUICK
from tests.waiting import soon

TARGET = "here/onnxruntime"


def test_init_makes_the_three_folders_and_keeps_what_is_there(tmp_path: Path, document) -> None:
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "kept").touch()
    assert document("init", tmp_path)["folders"] == ["devices", "measurements", "search"]
    assert (tmp_path / "devices" / "kept").exists()
    assert all((tmp_path / name).is_dir() for name in ("measurements", "search"))
    document("-C", tmp_path / "other", "init")
    assert (tmp_path / "other" / "devices").is_dir()


def test_devices_are_listed_and_shown(folder: Path, document, latkit) -> None:
    (listed,) = document("-C", folder, "device", "list")
    shown = document("-C", folder, "device", "show", "here")
    assert listed == shown
    assert shown["name"] == "here"
    assert "onnxruntime" in shown["runtimes"]
    code, out, _ = latkit("-C", folder, "device", "show", "here")
    assert code == 0
    assert shown["facts"]["model"] in out


def test_doctor_gives_a_remedy_for_what_fails(folder: Path, latkit) -> None:
    code, out, _ = latkit("-C", folder, "device", "doctor", "here", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert checks["reachable"]["ok"] is True
    failing = [check for check in checks.values() if check["ok"] is False]
    assert code == (1 if failing else 0)
    assert all(check["remedy"] for check in failing)


@pytest.mark.slow
def test_a_device_is_added_and_removed(tmp_path: Path, document, python_without_torch: str) -> None:
    document("init", tmp_path)
    agent = tmp_path / "agent"
    there = ["--agent-folder", agent, "--python", python_without_torch]
    added = document("-C", tmp_path, "device", "add", "box", "--local", *there)
    assert (tmp_path / "devices" / "box.toml").exists()
    assert added["folder"] == str(agent)
    assert agent.exists()
    assert document("-C", tmp_path, "device", "remove", "box") == {"removed": "box", "files_removed": True}
    assert not (tmp_path / "devices" / "box.toml").exists()
    assert not agent.exists()


def test_every_collected_measurement_is_in_the_store(folder: Path) -> None:
    space = load(str(folder / "small.toml"))
    measurements = Workspace(folder).measurements(Target.parse(TARGET))
    assert {*space.ops(), OVERHEAD_PROBE} == {m.workload for m in measurements if not isinstance(m.workload, Network)}
    networks = {m.workload.key for m in measurements if isinstance(m.workload, Network)}
    found = sorted((m.workload.key, m.repetition) for m in measurements if isinstance(m.workload, Network))
    assert found == sorted((key, time) for key in networks for time in (0, 1))
    assert len(networks) == 4
    assert all(m.complete for m in measurements)
    assert len({m.environment for m in measurements}) == 1


def test_collecting_again_measures_nothing(folder: Path, document) -> None:
    again = document(
        "-C", folder, "collect", "space", TARGET, "--space", folder / "small.toml", "--networks", 4, *QUICK
    )
    assert again["visits"] == 0
    assert again["subjects"] == 1 + 7 + 4
    assert again["already"] == 3 * (1 + 7 + 2 * 4)  # networks are measured at two times
    assert again["finished"]


def test_collecting_goes_on_where_a_kill_stopped_it(folder: Path, tmp_path: Path, document) -> None:
    for rounds in (20, 60, 180):  # a busy machine may notice the first rounds when all of few are made
        root = tmp_path / str(rounds)
        document("init", root)
        shutil.copy(folder / "devices" / "here.toml", root / "devices")
        arguments = ["-C", root, "collect", "space", TARGET, "--space", folder / "small.toml", "--networks", 0]
        arguments += ["--rounds", rounds, "--round-seconds", 0.02, "--extra-rounds", 0]
        database = root / "measurements" / "here" / "onnxruntime-t1-fp32-b1" / "measurements.sqlite"
        kill_in_the_middle([sys.executable, "-m", "latkit", *map(str, arguments)], database)
        before, total = count_rounds(database), 8 * rounds
        if before < total:
            break
    rest = document(*arguments)
    assert 10 <= before < total
    assert rest["already"] == before
    assert rest["visits"] == total - before
    assert count_rounds(database) == total


def kill_in_the_middle(command: list[str], database: Path) -> None:
    """Run a command that collects, and kill it after ten rounds."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ.copy()) as process:
        assert soon(lambda: count_rounds(database) >= 10 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)


def count_rounds(database: Path) -> int:
    try:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return 0
    try:
        return int(connection.execute("SELECT count(*) FROM visits").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_a_time_limit_ends_it_early_and_says_so(folder: Path, tmp_path: Path, latkit) -> None:
    latkit("init", tmp_path)
    shutil.copy(folder / "devices" / "here.toml", tmp_path / "devices")
    arguments = ["-C", tmp_path, "collect", "space", TARGET, "--space", folder / "small.toml", "--networks", 0]
    code, out, err = latkit(*arguments, "--rounds", 500, "--max-seconds", 1, "--json")
    assert code == 0
    assert json.loads(out)["finished"] is False
    assert "run the same command again" in err


def test_fit_reports_both_models(folder: Path, document) -> None:
    fitted = document("-C", folder, "fit", TARGET, "--space", folder / "small.toml")
    assert [row["model"] for row in fitted["models"]] == ["lookup", "xgboost"]
    assert all(row["networks"] == 4 and row["scale"] > 0 for row in fitted["models"])


def test_fit_takes_the_estimator_that_suits_the_samples_and_names_it(
    folder: Path, tmp_path: Path, document, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.setattr("latkit.workspace.models.fitting.select_estimator", lambda _measurements: "paired")
    rows = document("-C", copy, "fit", TARGET)["models"]
    assert {row["estimator"] for row in rows} == {"paired"}
    assert Workspace(copy).model(Target.parse(TARGET)).origin_.estimator == "paired"


def test_fit_takes_the_estimator_that_is_named(folder: Path, tmp_path: Path, document, latkit) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    document("-C", copy, "fit", TARGET, "--estimator", "median")
    model = json.loads((copy / "measurements" / f"{TARGET}-t1-fp32-b1" / "model-lookup.json").read_text())
    assert model["estimator"] == "median"
    code, _, err = latkit("-C", copy, "fit", TARGET, "--estimator", "mean")
    assert code == 2
    assert "known estimators: matched" in err


def test_fit_counts_the_flags_of_what_it_used(folder: Path, document, latkit) -> None:
    flags = document("-C", folder, "fit", TARGET)["flags"]
    assert list(flags) == ["contended", "throttled", "drifting", "unpinned", "cold"]
    _, out, _ = latkit("-C", folder, "fit", TARGET)
    assert "flags on the" in out


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="pinning to the only core is no pinning")
def test_pinned_measurements_are_stored_separately(folder: Path, tmp_path: Path, document, latkit) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    arguments = ["--space", copy / "small.toml", *QUICK]
    document("-C", copy, "collect", "space", TARGET, *arguments, "--networks", 4, "--pin", "1")
    document("-C", copy, "fit", TARGET)
    code, _, err = latkit("-C", copy, "collect", "space", TARGET, *arguments, "--networks", 4)
    assert code == 0
    assert "since here/onnxruntime-t1-fp32-b1 was measured last, affinity was 1, is unpinned; what was" in err
    document("-C", copy, "validate", TARGET, *arguments, "--networks", 3)
    workspace = Workspace(copy)
    measured = workspace.measurements(Target.parse(TARGET))
    assert {m.environment.affinity for m in measured} == {"unpinned", "1"}
    assert {m.environment.affinity for m in measured if m.role == "validation"} == {"1"}
    assert {m.environment.affinity for m in workspace.selection(Target.parse(TARGET)).used} == {"1"}


def test_validate_measures_unseen_networks_twice(folder: Path, document) -> None:
    arguments = ["-C", folder, "validate", TARGET, "--space", folder / "small.toml", "--networks", 3, *QUICK]
    found = document(*arguments)
    contract = "target space networks mape_percent rmse_ms mean_latency_ms within_5_percent within_10_percent spearman"
    assert {*contract.split(), "kendall", "repeatability_mape_percent"} <= found.keys()
    assert found["target"] == "here/onnxruntime-t1-fp32-b1"
    assert found["networks"] == len(found["results"]) == 3
    workspace, target = Workspace(folder), Target.parse(TARGET)
    trained_keys = workspace.model(target, space=load(str(folder / "small.toml"))).origin_.network_keys
    assert not trained_keys & {row["key"] for row in found["results"]}
    keys = {row["key"] for row in found["results"]}
    validation = [m for m in workspace.measurements(target) if m.role == "validation" and m.workload.key in keys]
    assert {m.repetition for m in validation} == {0, 1}
    assert document(*arguments) == found, "measured already: nothing new"


def test_predict_gives_an_interval_and_what_each_op_adds(folder: Path, tmp_path: Path, document) -> None:
    space = load(str(folder / "small.toml"))
    network = space.decode(space.sample(random.Random(1)))
    network.save(tmp_path / "net.json")
    found = document("-C", folder, "predict", TARGET, tmp_path / "net.json")
    assert found["low_ms"] <= found["latency_ms"] <= found["high_ms"]
    fixed_ms = 1e3 * Workspace(folder).model_for(Target.parse(TARGET), network).base_seconds()
    assert sum(layer["adds_ms"] for layer in found["layers"]) + fixed_ms == pytest.approx(found["latency_ms"])
    assert found["macs"] == network.macs


def test_an_exported_table_agrees_with_predict(folder: Path, tmp_path: Path, document) -> None:
    document("-C", folder, "table", "export", TARGET, "--space", folder / "small.toml", "-o", tmp_path / "t.json")
    table = LatencyTable.load(tmp_path / "t.json")
    space = load(str(folder / "small.toml"))
    table.check_space(space)
    model = Workspace(folder).model(Target.parse(TARGET), space=space)
    for seed in range(5):
        architecture = space.sample(random.Random(seed))
        expected = model.predict(space.decode(architecture)).seconds
        assert float(table(table.one_hot(architecture))) == pytest.approx(expected)
    logits = torch.randn(table.seconds.shape, dtype=torch.float64, requires_grad=True)
    # in microseconds: gradcheck compares with finite differences within an absolute tolerance
    assert torch.autograd.gradcheck(lambda x: 1e6 * table(torch.softmax(x, -1)), logits)


def test_measurements_travel_to_another_workspace(folder: Path, tmp_path: Path, document) -> None:
    data, other = tmp_path / "data.parquet", tmp_path / "other"
    exported = document("-C", folder, "measurements", "export", TARGET, "-o", data)
    assert exported["measurements"] == len(read_parquet(data))
    assert "- Model: " in (tmp_path / "data.md").read_text()
    document("init", other)
    imported = document("-C", other, "measurements", "import", data)
    target = Target.parse(TARGET)
    assert imported["visits"] == {str(target): sum(len(m.rounds) for m in read_parquet(data))}
    assert document("-C", other, "measurements", "import", data)["visits"] == {str(target): 0}
    space = load(str(folder / "small.toml"))
    here, there = Workspace(folder).fit_model(target, space), Workspace(other).fit_model(target, space)
    assert there.layer_seconds(space.ops()) == here.layer_seconds(space.ops())


@pytest.mark.slow
@pytest.mark.usefixtures("few_digits")
def test_a_search_is_derived_trained_exported_and_measured(folder: Path, document, latkit) -> None:
    space = load(str(folder / "small.toml"))
    table = LatencyTable(space, Workspace(folder).model(Target.parse(TARGET), space=space))
    goal_ms = 1e3 * middle_path_s(table)
    quick = ["--quick", *FEW_STEPS]
    arguments = ["-C", folder, "search", TARGET, "--space", folder / "small.toml", "--data", "digits"]
    found = document(*arguments, "--latency-ms", goal_ms, "--name", "first", *quick)
    assert found["target_latency_ms"] == pytest.approx(goal_ms)
    assert found["predicted_latency_ms"] <= 1.01 * goal_ms
    assert found["measured_latency_ms"] > 0
    assert 0 <= found["accuracy"] <= 1
    assert all(Path(path).exists() for path in found["files"].values())
    assert "<html" in Path(found["files"]["report"]).read_text()[:100]
    assert found["exports"].keys() == {"onnx"}
    assert found["exports"]["onnx"]["agreement"] > 0.95
    network = Network.load(found["files"]["architecture"])
    assert list(space.encode(network)) == found["architecture"] or space.decode(found["architecture"]) == network
    predicted = document("-C", folder, "predict", TARGET, found["files"]["onnx"])
    assert predicted["latency_ms"] == pytest.approx(found["predicted_latency_ms"])
    taught = document(*arguments, "--latency-ms", goal_ms, "--name", "taught", *quick, "--teacher", "first")
    assert json.loads(Path(taught["files"]["recipe"]).read_text())["teacher"]["network_key"] == network.key
    report = Path(found["files"]["report"])
    report.unlink()
    again = [*arguments, "--latency-ms", goal_ms, "--name", "first", *quick, "--resume", "--baseline", "random:1"]
    with fitted_anew(folder):
        code, out, err = latkit(*again, "--baseline", "mobilenetv2", "--json")
        assert (code, out, report.exists()) == (1, "", False), "told before anything is done"
        assert "but its narrowest takes" in err
        assert (document(*again)["accuracy"], report.exists()) == (found["accuracy"], True)
    (baseline,) = Baselines.load(Path(found["files"]["recipe"]).parent).records
    assert baseline.measured_latency_s is not None
    assert 0.98 * goal_ms <= 1e3 * baseline.predicted_latency_s <= 1.01 * goal_ms
    again = document("-C", folder, "reproduce", "taught", "--teacher", "first")
    assert (again["repeated_as"], again["equal"], again["differing"]) == ("taught-again", True, [])
    assert document("-C", folder, "reproduce", "taught", "--teacher", "first", "--resume") == again


@contextmanager
def fitted_anew(folder: Path) -> Iterator[None]:
    """As after collecting more networks: the same ops, 1.5 times as slow."""
    path = Workspace(folder).model_path(Target.parse(TARGET), "lookup", load(str(folder / "small.toml")))
    before = path.read_bytes()
    document = json.loads(before)
    document["calibration"]["scale"] *= 1.5
    path.write_text(json.dumps(document))
    yield
    path.write_bytes(before)


def test_in_python_the_verbs_are_the_same(folder: Path) -> None:
    workspace = package.Workspace(folder)
    target = package.Target.parse(TARGET)
    space = package.spaces.load(str(folder / "small.toml"))
    model = workspace.fit_model(target, space)
    table = package.LatencyTable(space, model)
    assert 0 < table.fastest() < table.slowest()
