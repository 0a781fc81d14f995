"""Several processes find what one finds; killed searches resume to the same bits."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from latkit.errors import LatkitError, UsageError
from latkit.search import Problem, SearchResult, SearchSettings, load_data, run_search
from latkit.search.baselines import BaselineRequest, Baselines
from latkit.search.baselines.run import run_baselines
from latkit.search.data import DataSplit, Shard
from latkit.search.records.base import load_record
from latkit.search.records.reproduce import differences
from latkit.spaces import Space, load_space_file
from latkit.tables import LatencyTable
from tests.forking import Forks
from tests.search.conftest import MINI_SPACE, brief, save_stripes
from tests.search.processes import Job, Stop, run_jobs

SETTINGS = brief(crop_padding=2, flip=None, ema_decay=0.9, checkpoint_seconds=1e-9, finalists=2)
WEIGHED = SETTINGS.model_copy(update={"penalty": "multiplicative"})
"""Latency is weighted by the task's loss, of which every process sees a part."""
MOMENTS = {
    "warm-up": ("search", 4),
    "search": ("search", 9),
    "finals": ("finalist 2 of 2: training", 2),
    "training": ("training", 4),
    "export": ("export", 0),
}
"""When processes are killed: phase and step."""
BASELINES = ("random", "mobilenetv2", "evolution")


@dataclass(frozen=True)
class Searches:
    """Searches of one recipe, by the names of their folders; and how their processes ended."""

    forked: Forks
    space: Space
    table: LatencyTable
    data: DataSplit
    target_s: float
    root: Path
    ends: dict[str, list[int]]

    def run(
        self, name: str, stop: Stop | None = None, resume: bool = False, settings: SearchSettings = SETTINGS
    ) -> Path:
        """One search in this process; its folder."""
        folder = self.root / name
        run_search(Problem(self.space, self.table, self.data, self.target_s, settings), folder, stop, resume)
        return folder

    def job(self, name: str, settings: SearchSettings = SETTINGS, **how: Any) -> Job:
        """One search in others."""
        return Job(str(self.root / name), settings.model_dump(mode="json"), self.target_s, **how)

    def run_jobs(self, *jobs: Job) -> None:
        """Run them all, one after the other."""
        self.ends.update(run_jobs(self.forked, self.root, self.space, self.table, jobs))


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory, forked: Forks) -> Searches:
    """All searches that the tests below read, because starting processes takes longer than searching."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("searches")
    (root / "mini.toml").write_text(MINI_SPACE)
    space = load_space_file(root / "mini.toml")
    rows = [[op.macs * 1e-9 for op in layer.candidates] for layer in space.choice_layers]
    table = LatencyTable.from_seconds(space.name, space.key, rows, base_s=1e-6)
    save_stripes(root / "stripes.npz")
    data, target_s = load_data(str(root / "stripes.npz"), 8, 1), float(table.lookup(torch.tensor((1, 4))))
    found = Searches(forked, space, table, data, target_s, root, {})
    found.run("alone")
    with pytest.raises(LatkitError, match="stopped by the test"):
        found.run("handed-over", Stop(found.job("handed-over", stop_in="search", stop_at=9)))
    found.run_jobs(
        found.job("both", ranks=2),
        found.job("apart", SETTINGS.model_copy(update={"sync_batch_norm": False}), ranks=2),
        found.job("weighed", WEIGHED, ranks=2),
        found.job("handed-back", ranks=2, stop_in="training", stop_at=4),
        found.job("handed-over", ranks=2, resume=True),
        found.job("both-again", ranks=2, stop_in="random-1: training", stop_at=6, baselines=BASELINES),
        found.job("both-again", ranks=2, resume=True, baselines=BASELINES),
        *(found.job(name, stop_in=phase, stop_at=step, kill=True) for name, (phase, step) in MOMENTS.items()),
    )
    return found


def history(folder: Path) -> torch.Tensor:
    """Losses, accuracies, expected latency and probabilities of every epoch."""
    rows = json.loads((folder / "history.json").read_text())
    numbers = [[row["weight_loss"], row["weight_accuracy"]] for row in rows["search"] + rows["training"]]
    probabilities = [value for row in rows["search"] for choice in row["probabilities"] for value in choice]
    return torch.tensor([*(value for pair in numbers for value in pair), *probabilities])


def check_alike(one: Path, other: Path) -> None:
    """Equal but for rounding: sums are taken in another order."""
    results = [load_record(SearchResult, folder / "result.json") for folder in (one, other)]
    assert results[0].architecture == results[1].architecture
    torch.testing.assert_close(history(one), history(other), rtol=1e-3, atol=1e-4)
    weights, others = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=1e-3)


def test_two_processes_find_what_one_finds(searches: Searches) -> None:
    assert searches.ends["both"] == [0, 0]
    check_alike(searches.root / "alone", searches.root / "both")


def test_two_processes_find_the_same_bits_every_time(searches: Searches) -> None:
    assert differences(searches.root / "both", searches.root / "both-again") == ()


def test_two_processes_weigh_latency_by_the_loss_of_both(searches: Searches) -> None:
    assert searches.ends["weighed"] == [0, 0]
    check_alike(searches.run("weighed-alone", settings=WEIGHED), searches.root / "weighed")


def test_two_processes_may_normalize_their_parts_separately(searches: Searches) -> None:
    assert searches.ends["apart"] == [0, 0]
    together, apart = (history(searches.root / name)[0] for name in ("both", "apart"))
    assert float(apart) == pytest.approx(float(together), rel=0.2)
    assert float(apart) != pytest.approx(float(together), rel=1e-4), "as if they had normalized together"


def test_two_processes_train_baselines_as_one_does(searches: Searches) -> None:
    assert searches.ends["both-again"] == [0, 0]
    folder, target_s = searches.root / "both-again", searches.target_s
    found, mobilenet, evolved = Baselines.load(folder).records
    problem = Problem(searches.space, searches.table, searches.data, target_s, SETTINGS)
    (single_process,) = run_baselines(problem, searches.root / "alone", [BaselineRequest.parse("random")]).records
    assert found.score == pytest.approx(single_process.score, abs=1.01 / len(searches.data.test.labels))
    assert found == single_process.model_copy(update={"score": found.score, "seconds": found.seconds})
    # so few steps on images this small: rounding alone decides how good these two are
    assert (mobilenet.name, mobilenet.predicted_latency_s) == ("mobilenetv2-0.05", target_s)
    assert (evolved.name, evolved.seconds.keys()) == ("evolution", {"search", "training"})
    assert list((folder / "baselines").iterdir()) == []


def test_two_processes_go_on_with_the_checkpoint_of_one(searches: Searches) -> None:
    assert searches.ends["handed-over"] == [0, 0]
    check_alike(searches.root / "alone", searches.root / "handed-over")


def test_one_process_goes_on_with_the_checkpoint_of_two(searches: Searches) -> None:
    assert not (searches.root / "handed-back" / "result.json").exists()
    check_alike(searches.root / "alone", searches.run("handed-back", resume=True))


def test_a_process_whose_partner_ends_does_not_wait_for_it(searches: Searches) -> None:
    assert searches.ends["handed-back"] == [1, 1]
    assert (searches.root / "handed-back-0.txt").read_text() == "stopped by the test"
    assert "another process of this search has ended" in (searches.root / "handed-back-1.txt").read_text()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_search_that_was_killed_goes_on_to_the_same_bits(searches: Searches, moment: str) -> None:
    assert searches.ends[moment] == [-signal.SIGKILL]
    assert not (searches.root / moment / "result.json").exists()
    assert differences(searches.root / "alone", searches.run(moment, resume=True)) == ()


def test_a_batch_is_cut_into_equal_parts() -> None:
    assert [Shard(number, 3).places(12) for number in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    with pytest.raises(UsageError, match="5 processes can share equally, but found batches of 12 images"):
        Shard(0, 5).places(12)
