"""The epoch loop shared by search and training: position, history, checkpoints, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from latkit.progress import Progress
from latkit.search.tasks import Metric
from latkit.search.training.distributed import broadcast_flag_from_main, total

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Row = dict[str, Any]
"""Summary of one epoch: numbers, strings and lists of them."""


class Phase(Protocol):
    """A sequence of epochs of steps that can be saved between any two steps."""

    name: str
    metric: Metric
    epochs: int
    steps_per_epoch: int

    def begin(self, step: int) -> None:
        """Open the data at a step, counted from the beginning of the phase."""

    def step(self, step: int) -> None:
        """Take one step."""

    def summary(self, epoch: int) -> Row:
        """Summary of the epoch; resets the phase's sums. Raises LatkitError as `check` does."""

    def check(self) -> None:
        """Raise LatkitError if a loss or a weight is not finite."""

    def state(self) -> dict[str, Any]:
        """The state for `load_state`: tensors, numbers, strings, lists and dicts only."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""


class Totals:
    """Sums of an epoch over the images of all processes.

    The steps' values stay on their device until the sums are read: no step waits for the accelerator or for another
    process. They are always added one by one in their order, so the time of reading does not affect the last bit.
    """

    def __init__(self, fabric: Fabric, metric: Metric) -> None:
        self.fabric = fabric
        self.metric = metric
        self.sums: dict[str, Any] = {}
        """A number by name, or nested lists of them where a metric has several counts."""
        self.counts: dict[str, int] = {}
        self._waiting: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor, count: int) -> None:
        """Add the sum of this process's `count` values; all processes have the same count."""
        self._waiting.setdefault(name, []).append(value.detach())
        self.counts[name] = self.counts.get(name, 0) + count * self.fabric.world_size

    def _flush(self) -> None:
        """Bring the sums up to date. Every process must call it at the same step."""
        for name, values in self._waiting.items():
            added = total(torch.stack(values).double(), self.fabric)
            so_far = torch.tensor(self.sums.get(name, 0.0), dtype=torch.float64)
            for value in added.cpu():
                so_far = so_far + value  # not sum(), which rounds differently
            self.sums[name] = so_far.tolist()
        self._waiting = {}

    def add_batch(self, name: str, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch's mean loss and its metric as `NAME_loss` and `NAME_` with the metric's name."""
        self.add(f"{name}_loss", loss * len(targets), len(targets))
        self.add(f"{name}_{self.metric.name}", self.metric.counts(outputs, targets), len(targets))

    def means(self) -> dict[str, float]:
        """The means by name."""
        self._flush()
        return {name: self._mean(name, value) for name, value in self.sums.items()}

    def _mean(self, name: str, value: Any) -> float:
        count = self.counts[name]
        if name.endswith(f"_{self.metric.name}"):
            return self.metric.value(torch.tensor(value, dtype=torch.float64), count)
        return float(value) / count

    def state(self) -> dict[str, Any]:
        """The current sums."""
        self._flush()
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore saved sums."""
        self.sums, self.counts, self._waiting = dict(state["sums"]), dict(state["counts"]), {}


STEPS_BETWEEN_CHECKS = 16
"""Steps between checks of the clock with several processes, which takes a message."""


@dataclass
class Checkpointer:
    """Decides when a checkpoint is due, and writes it."""

    save: Callable[[int], None]
    """Writes a checkpoint of the phase after a number of steps."""
    every_s: float
    fabric: Fabric
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._saved_at = self.clock()

    def keep(self, step: int) -> None:
        """Write now."""
        self.save(step)
        self._saved_at = self.clock()

    def due(self, step: int) -> bool:
        """Whether enough time has passed. Several processes use the first one's clock, at intervals."""
        if self.fabric.world_size > 1 and step % STEPS_BETWEEN_CHECKS:
            return False
        return broadcast_flag_from_main(self.clock() - self._saved_at >= self.every_s, self.fabric)


def run_phase(
    phase: Phase,
    start: int,
    checkpointer: Checkpointer,
    progress: Progress,
    note: Callable[[Row], None],
) -> None:
    """Run a phase from step `start` to its end; `note` takes the summary of every epoch."""
    total = phase.epochs * phase.steps_per_epoch
    progress.advance(phase.name, start, total, "")
    if start < total:
        phase.begin(start)
    for step in range(start, total):
        phase.step(step)
        done, text = step + 1, ""
        if done % phase.steps_per_epoch == 0:
            row = phase.summary(step // phase.steps_per_epoch)
            note(row)
            checkpointer.keep(done)
            text = describe(row, phase.metric)
        elif checkpointer.due(done):
            phase.check()
            checkpointer.keep(done)
        progress.advance(phase.name, done, total, text)


def describe(row: Row, metric: Metric) -> str:
    """The most informative numbers of a row, for people."""
    titles = {"weight": metric.title, "architecture": "on unseen images", "test": "on test images"}
    shown = {title: row.get(f"{part}_{metric.name}") for part, title in titles.items()}
    parts = [f"{title} {metric.format(value)}" for title, value in shown.items() if value is not None]
    if "expected_latency_s" in row:
        parts.append(f"expected latency {row['expected_latency_s'] * 1e3:.4g} ms")
    return ", ".join(parts)


def learning_rate(step: float, steps: float, peak: float, ramp_share: float) -> float:
    """A linear rise to the peak in the first `ramp_share` of the steps, then half a cosine down to zero."""
    ramp = ramp_share * steps
    if step < ramp:
        return peak * (step + 1) / (ramp + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - ramp) / (steps - ramp)))
