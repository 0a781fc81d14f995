"""Optuna's samplers ask and learn, and a history becomes a study that Optuna reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from latkit.search.goals import Goals
from latkit.search.loop import Budget, search
from latkit.search.strategies import STRATEGIES, make_strategy
from tests.search.toy import ToyEvaluator, toy_space

optuna = pytest.importorskip("optuna", reason="Optuna is not installed: the extra `optuna`")
SPACE = toy_space(2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STRATEGIES.names() if name.startswith("optuna-")])
def test_a_sampler_asks_for_each_network_once(name: str) -> None:
    goals = Goals.parse("score:max", "size<=5")
    entries = search(make_strategy(name, SPACE, goals), ToyEvaluator(), Budget(6)).entries
    assert len({entry.architecture for entry in entries}) == 6


def test_a_history_becomes_a_study(tmp_path: Path) -> None:
    from latkit.search.strategies.optuna_samplers import save_study

    goals, path = Goals.parse("score:max"), tmp_path / "optuna.log"
    failing = search(make_strategy("random", SPACE, goals), ToyEvaluator(), Budget(3)).entries[1].architecture
    outcome = search(make_strategy("random", SPACE, goals), ToyEvaluator(fails=[failing]), Budget(3))
    for _ in range(2):  # the second replaces the first
        save_study(path, "toy", outcome.entries, SPACE, goals)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="toy", storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study.metric_names == ["score"]
    assert study.best_value == max(entry.verdict.quantities.get("score", 0) for entry in outcome.entries)
