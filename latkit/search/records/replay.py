"""Repeat a finished search by a strategy: it asks again, and receives the verdicts of its history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latkit._io import read_bytes, reading
from latkit.errors import UsageError
from latkit.progress import Callbacks
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.history import EXPECTED, read_history
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.search.records.strategy import HISTORY_FILE, STRATEGY_FILE, StrategyRecord
from latkit.search.strategy_run import RunOptions, run_strategy
from latkit.spaces import load_saved
from latkit.spaces.base import Architecture


class RecordedEvaluator(Evaluator):
    """The verdicts of a history: nothing is looked up, trained or measured again."""

    def __init__(self, folder: Path) -> None:
        """`folder`: of a finished search by a strategy. Raises BadFile."""
        record = load_record(StrategyRecord, folder / STRATEGY_FILE)
        path = folder / HISTORY_FILE
        header, entries = read_history(path)
        with reading(path, EXPECTED):
            efforts = header["settings"].get("efforts", ())
            self.efforts = tuple(map(float, efforts)) or tuple(sorted({one.effort for one in entries if one.effort}))
        self.name = record.evaluator
        judged = (record.best, *record.front)
        self._tests = {one.architecture: one.test for one in judged if one is not None}
        names = [*record.plan.parsed_goals().quantities, *(name for one in entries for name in one.verdict.quantities)]
        self._quantities = tuple(dict.fromkeys(names))
        self._verdicts: dict[tuple[Architecture, float | None], Verdict] = {}
        for one in entries:
            self._verdicts.setdefault((one.architecture, one.effort), one.verdict)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those of the verdicts."""
        return self._quantities

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """The saved verdicts; a failure for an architecture that the history lacks."""
        missing = Verdict.failed("the history of the search has no verdict of this architecture")
        return [self._verdicts.get((one, effort), missing) for one in architectures]

    def test_quantities(self, architecture: Architecture) -> dict[str, float]:
        """The saved ones of what was found."""
        return dict(self._tests.get(architecture, {}))


def replay_strategy(
    original: Path,
    folder: Path,
    evaluator: Evaluator | None,
    resume: bool,
    callbacks: Callbacks,
) -> StrategyRecord:
    """Search again under `folder` as the plan of a search on a benchmark says.

    `evaluator`: the table, to look all verdicts up again; the saved ones without it. Raises UsageError where `folder`
    holds a search and `resume` is not given, and BadFile.
    """
    plan = load_record(StrategyRecord, original / STRATEGY_FILE).plan
    if (folder / HISTORY_FILE).exists() and not resume:
        raise UsageError(f"{folder} holds a search; continue it with --resume, or give another name")
    space = load_saved(original / FILES["space"])
    record, _ = run_strategy(plan, space, evaluator or RecordedEvaluator(original), folder, RunOptions(callbacks))
    return record


def strategy_differences(one: Path, other: Path) -> tuple[str, ...]:
    """What differs between two finished searches by a strategy: `verdicts`, bit for bit, and what was found.

    A history may go on beyond them, where its search was continued with a smaller budget, or is being continued.
    """
    first, second = (load_record(StrategyRecord, folder / STRATEGY_FILE) for folder in (one, other))
    histories = [
        read_bytes(folder / HISTORY_FILE, EXPECTED).split(b"\n")[: record.asked + 1]
        for folder, record in ((one, first), (other, second))
    ]
    found = {
        "verdicts": histories[0] == histories[1],
        "best": first.best == second.best,
        "front": first.front == second.front,
    }
    return tuple(name for name, same in found.items() if not same)
