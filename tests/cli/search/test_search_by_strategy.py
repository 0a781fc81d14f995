"""`latkit search --benchmark` on a table of made-up numbers, and `--strategy` on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from latkit.errors import UsageError
from latkit.search.evaluators import EVALUATORS, EvaluatorFactory, Verdict
from latkit.search.evaluators.tabular import Table, TabularEvaluator
from latkit.search.history import Entry
from latkit.search.loop import SearchOutcome
from latkit.search.records.strategy import HISTORY_FILE, StrategyPlan, StrategyRecord
from latkit.search.run_strategy_search import nothing_found
from latkit.spaces import load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.conftest import Run
from tests.search.toy import toy_space


@pytest.fixture
def replay(latkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any, str]]:
    """Runs a search on a table of 256 architectures: accuracy is the row, size the row counted down."""
    space = toy_space()
    rows = {tuple(map(int, one)): row for row, one in enumerate(np.ndindex(4, 4, 4, 4))}
    counted = np.arange(256.0)
    columns = {"accuracy": counted, "size": 255 - counted}
    evaluator = TabularEvaluator(Table("toy-table", rows, columns, test={"test_accuracy": counted / 2}))
    monkeypatch.setitem(
        EVALUATORS._loaded, "toy", EvaluatorFactory("toy", "made up", lambda _folder: (space, evaluator))
    )
    root = tmp_path / "workspace"
    latkit("init", root)

    def run(*arguments: object) -> tuple[int, Any, str]:
        given = ("--benchmark", "toy", "--data", tmp_path, "--name", "found", *arguments, "--json")
        code, out, err = latkit("-C", root, "search", *given)
        return code, json.loads(out) if out else None, err

    return run


def test_a_replay_is_resumed_and_leaves_a_report(replay, tmp_path: Path) -> None:
    code, document, _ = replay("--strategy", "local-search", "--evaluations", 20)
    assert code == 0
    assert document["strategy"] == "local-search"
    assert document["best"]["test"] == {"test_accuracy": document["best"]["quantities"]["accuracy"] / 2}
    code, _, err = replay("--strategy", "local-search", "--evaluations", 60)
    assert (code, "resume it with --resume" in err) == (2, True)
    code, document, _ = replay("--strategy", "local-search", "--evaluations", 60, "--resume")
    assert (code, document["asked"]) == (0, 60)
    page = (tmp_path / "workspace" / "search" / "found" / "report.html").read_text()
    assert "Lineage" in page
    assert "layer0: conv k" in page  # the lineage names what changed
    assert "Best so far" in page


def test_a_replay_is_resumed_by_its_name_alone(replay, latkit: Run, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    code, document, _ = replay("--strategy", "local-search", "--evaluations", 20, "--seed", 3)
    assert code == 0
    history = root / "search" / "found" / HISTORY_FILE
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join(lines[:9]))
    for name in ("strategy.json", "report.html"):
        (root / "search" / "found" / name).unlink()
    code, out, err = latkit("-C", root, "search", "--resume", "--name", "found", "--json")
    assert code == 0, err
    assert {**json.loads(out), "seconds": 0} == {**document, "seconds": 0}
    assert len(history.read_text().splitlines()) == len(lines)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_cannot_be_resumed_changes_nothing(replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "workspace" / "search"

    def unreachable(_address: str) -> NoReturn:
        raise UsageError("expected a Ray cluster")

    monkeypatch.setattr("latkit.search.cluster.connect", unreachable)
    assert replay("--cluster", "127.0.0.1:1")[0] == 2
    assert not contents(folder)
    assert replay("--evaluations", 10)[0] == 0
    before = contents(folder)
    code, _, err = replay("--evaluations", 10, "--resume", "--seed", 3)
    assert (code, "expected a history of seed 3, but found seed 0" in err) == (2, True)
    assert contents(folder) == before


def test_a_smaller_budget_is_reported_and_reproduced_alone(replay, latkit: Run, tmp_path: Path) -> None:
    assert replay("--evaluations", 30)[0] == 0
    code, document, err = replay("--evaluations", 10, "--resume", "--workers", 2)
    assert (code, document["asked"]) == (0, 10)
    assert "1 of 2 workers evaluate" in err
    code, out, err = latkit("-C", tmp_path / "workspace", "reproduce", "found", "--json")
    assert (code, json.loads(out)["equal"]) == (0, True), err


def test_a_search_that_never_reached_the_greatest_effort_says_so() -> None:
    plan = StrategyPlan(strategy="halving", goals=("accuracy:max",))
    entry = Entry(0, (0,), Verdict({"accuracy": 0.5}, {"evaluations": 1.0}), 1.0)
    outcome = SearchOutcome(plan.parsed_goals(), (entry,), "budget", 0, 9.0)
    found = nothing_found(StrategyRecord.of("x", plan, ("toy", "key"), "toy", outcome))
    assert found.startswith("expected an architecture at the greatest effort, but found none in 1 verdicts")


def test_a_front_within_a_bound(replay) -> None:
    goals = ("--goal", "accuracy:max", "--goal", "size:min", "--goal", "accuracy<=200")
    code, document, err = replay("--strategy", "nsga2", "--strategy-set", "population=8", *goals, "--evaluations", 40)
    assert code == 0, err
    assert document["settings"] == {"population": "8"}
    assert document["front"]
    assert all(one["quantities"]["accuracy"] <= 200 for one in document["front"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--strategy", "no-such"), "no-such"),
        (("--goal", "joules:min"), "unknown quantity joules"),
        (("--strategy-set", "population=many"), "population"),
        (("--strategy-set", "no_such=1"), "unknown setting no_such"),
        (("--strategy-set", "population"), "--strategy-set"),
        (("--evaluation-seconds", 0), "max_seconds"),
        (("--evaluation-epochs", "inf"), "max_epochs"),
        (("--latency-ms", 5, "--evaluator", "predicted"), "expected no --latency-ms, --evaluator with --benchmark"),
        (("here/onnxruntime",), "expected no TARGET with --benchmark"),
        (("--goal", "accuracy:max", "--goal", "size<=-1", "--evaluations", 3), "nearest"),
    ],
)
def test_what_cannot_work_is_one_line(replay, arguments: tuple[object, ...], expected: str) -> None:
    code, _, err = replay(*arguments)
    assert code in (1, 2)
    assert expected in err
    assert "Traceback" not in err


def test_an_option_of_a_strategy_needs_one(latkit: Run, tmp_path: Path) -> None:
    latkit("init", tmp_path)
    code, _, err = latkit("-C", tmp_path, "search", "here/onnxruntime", "--evaluations", 5)
    assert (code, "expected --strategy NAME with --evaluations" in err) == (2, True)


def interrupt(*_found: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.usefixtures("few_digits")
def test_an_evolution_with_trained_evaluations_leaves_what_other_searches_leave(
    folder: Path, latkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every latency counts as unsure and is measured; the bound is far above what a busy machine measures.

    It is interrupted before its first evaluation, and continued with another budget; then it is interrupted when the
    network that was found has been trained, and is continued without a search: the budget may not change any more.
    """
    monkeypatch.setattr("latkit.search.evaluators.measure_unsure.is_unsure", lambda _bound, _verdict: True)
    root = Path(shutil.copytree(folder, tmp_path / "copy"))
    target = Target.parse("here/onnxruntime")
    space = load(str(root / "small.toml"))
    table = LatencyTable(space, Workspace(root).model(target, space=space))
    arguments: list[object] = ["--space", root / "small.toml", "--data", "digits", "--quick", "--name", "evolved"]
    bound = ["--latency-ms", repr(1e5 * table.slowest()), "--set", "penalty=none"]
    arguments += [*bound, "--strategy", "evolution", "--measure-unsure"]
    arguments += ["--evaluator", "trained:1", "--strategy-set", "population=1"]
    arguments += ["--strategy-set", "tournament=1", "--set", "training_epochs=1", "--set", "export_tflite=false"]
    arguments += ["--set", "training_batch_size=256"]
    with monkeypatch.context() as interrupted:
        interrupted.setattr("latkit.search.run_strategy_search.run_strategy", interrupt)
        assert latkit("-C", root, "search", target, *arguments, "--evaluations", 1)[0] == 130
    arguments.append("--resume")
    with monkeypatch.context() as interrupted:
        interrupted.setattr("latkit.search.run.finish", interrupt)
        assert latkit("-C", root, "search", target, *arguments, "--evaluations", 2)[0] == 130
    history = (root / "search" / "evolved" / HISTORY_FILE).read_bytes()
    code, _, err = latkit("-C", root, "search", target, *arguments, "--evaluations", 3)
    assert (code, "its network was found, 2 evaluations" in err) == (2, True), err
    code, out, err = latkit("-C", root, "search", target, *arguments, "--evaluations", 2, "--json")
    assert code == 0, err
    assert (root / "search" / "evolved" / HISTORY_FILE).read_bytes() == history
    document = json.loads(out)
    assert any(note.startswith("found by evolution with 2 evaluations") for note in document["notes"])
    found = document["strategy"]
    assert found["spent"]["evaluations"] == found["spent"]["measurements"] == 2
    assert tuple(document["architecture"]) == tuple(found["best"]["architecture"])
    assert document["measured_latency_ms"] > 0
    assert {"weights", "onnx", "report", "measured"} <= set(document["files"])
    assert "Best so far" in (root / "search" / "evolved" / "report.html").read_text()
    code, out, err = latkit("-C", root, "reproduce", "evolved", "--json")
    assert (code, json.loads(out)["equal"]) == (0, True), err


def test_a_replay_is_reproduced_bit_for_bit_from_its_history(replay, latkit: Run, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    assert replay("--strategy", "evolution", "--evaluations", 25)[0] == 0
    for name, data in (("again", ()), ("looked-up", ("--data", tmp_path))):
        code, out, err = latkit("-C", root, "reproduce", "found", "--name", name, *data, "--json")
        assert code == 0, err
        assert json.loads(out)["equal"]
    histories = [(root / "search" / name / "history.jsonl").read_bytes() for name in ("found", "again", "looked-up")]
    assert len(set(histories)) == 1
    history = root / "search" / "found" / "history.jsonl"
    lines = history.read_text().splitlines()
    verdict = json.loads(lines[3])
    verdict["quantities"]["accuracy"] += 1
    history.write_text("\n".join([*lines[:3], json.dumps(verdict), *lines[4:], ""]))
    code, out, _ = latkit("-C", root, "reproduce", "found", "--name", "third", "--data", tmp_path, "--json")
    assert (code, "verdicts" in json.loads(out)["differing"]) == (1, True)
    (root / "search" / "found" / "strategy.json").unlink()
    code, _, err = latkit("-C", root, "reproduce", "found", "--name", "fourth")
    assert (code, "expected a finished search to repeat" in err) == (2, True)
