from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from latkit.errors import BadFile, LatkitError
from latkit.progress import Silent
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.tasks import Metric
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.search.training.trainer import Checkpointer, Totals, describe, learning_rate, run_phase
from latkit.search.training.training_phase import MovingAverage

METRIC = CLASSIFICATION.metric
FABRIC = Fabric(accelerator="cpu", devices=1)


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    content = {"a": torch.arange(3), "b": {"c": [1, 2.5, "words", None]}, "generator": torch.Generator().get_state()}
    save_checkpoint(path, content)
    found = load_checkpoint(path)
    assert torch.equal(found["a"], content["a"])  # type: ignore[arg-type]
    assert found["b"] == content["b"]
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("harm-was-done"),))  # type: ignore[return-value]


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "latkit-checkpoint-1", "harm": Harm()}, "a.pt")
    Path("b.pt").write_bytes(pickle.dumps(Harm()))
    torch.save({"format": "another"}, "c.pt")
    for name in ("a.pt", "b.pt", "c.pt", "none.pt"):
        with pytest.raises(BadFile, match="expected a checkpoint"):
            load_checkpoint(Path(name))
    assert not Path("harm-was-done").exists()


def test_a_checkpoint_is_due_when_time_has_passed() -> None:
    now, saved = [0.0], list[int]()
    checkpointer = Checkpointer(saved.append, every_s=10, fabric=FABRIC, clock=lambda: now[0])
    assert not checkpointer.due(1)
    now[0] = 10
    assert checkpointer.due(3)
    checkpointer.keep(3)
    assert not checkpointer.due(4)
    assert saved == [3]


class Spoilt:
    """A phase of two epochs of four steps, whose weights are no numbers from a step on."""

    name = "search"
    metric = METRIC
    epochs = 2
    steps_per_epoch = 4

    def __init__(self, since: int) -> None:
        self.since = since
        self.done = 0

    def begin(self, step: int) -> None:
        self.done = step

    def step(self, step: int) -> None:
        self.done = step + 1

    def summary(self, epoch: int) -> dict[str, Any]:
        self.check()
        return {"epoch": epoch + 1}

    def check(self) -> None:
        if self.done >= self.since:
            raise LatkitError("no number")

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        assert not state


@pytest.mark.parametrize(("every_s", "expected"), [(0.0, [1, 2, 3, 4, 5]), (1e9, [4])])
def test_nothing_is_saved_after_a_nan(every_s: float, expected: list[int]) -> None:
    saved: list[int] = []
    checkpointer = Checkpointer(saved.append, every_s, FABRIC)
    with pytest.raises(LatkitError, match="no number"):
        run_phase(Spoilt(since=6), 0, checkpointer, Silent(), lambda _: None)
    assert saved == expected


def test_sums_do_not_depend_on_when_they_are_read() -> None:
    values = torch.rand(40, generator=torch.Generator().manual_seed(0))
    queried, untouched = Totals(FABRIC, METRIC), Totals(FABRIC, METRIC)
    for number, value in enumerate(values):
        for totals in (queried, untouched):
            totals.add("loss", value, 2)
        if number % 7 == 0:
            queried.means()
            state = queried.state()
            queried = Totals(FABRIC, METRIC)
            queried.load_state(state)
    assert queried.means() == untouched.means()
    assert queried.means()["loss"] == pytest.approx(float(values.mean()) / 2)


class PerClass(Metric):
    """Images of each of two classes that were found; not a mean over images."""

    name, shape = "worst_class", (2,)

    def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        right = outputs.argmax(1) == targets
        return torch.stack([(right & (targets == label)).sum() for label in range(2)])

    def value(self, counts: torch.Tensor, images: int) -> float:
        return float(counts.min()) / images


def test_a_metric_of_several_counts_is_that_of_their_sums() -> None:
    totals = Totals(FABRIC, PerClass())
    for targets in (torch.tensor([0, 0, 1]), torch.tensor([1, 1, 1])):
        totals.add_batch("weight", torch.tensor(0.5), torch.tensor([[2.0, 1.0]] * 2 + [[0.0, 1.0]]), targets)
        state = totals.state()
        totals = Totals(FABRIC, PerClass())
        totals.load_state(state)
    assert totals.means() == {"weight_loss": 0.5, "weight_worst_class": 2 / 6}
    assert describe({"weight_worst_class": 2 / 6}, Titled()) == "worst class 33.3 %"


class Titled(PerClass):
    title = "worst class"


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, peak=2.0, ramp_share=0.1) for step in range(100)]
    assert max(rates) == rates[10] == pytest.approx(2.0)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01
    assert learning_rate(0, 10, 1.0, 0.0) == 1.0


def test_a_moving_average_follows_the_weights() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
        average = MovingAverage(module, decay=0.5)
        for step in range(100):
            module.weight.fill_(1.0 + step % 2)
            average.update(step)
        average.swap()
    assert float(module.weight.detach()) == pytest.approx(1 + 2 / 3, rel=0.01)
