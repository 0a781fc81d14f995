"""The protocol of an evaluator: architectures in, verdicts out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.spaces.base import Architecture

Range = tuple[float, float]


class Evaluator(ABC):
    """Judges architectures: by a table, by training, with shared weights or by prediction.

    It can be pickled, since several processes may judge side by side. Its verdicts depend on the architecture and the
    effort alone.
    """

    name: str
    """Identifies the evaluator and its data in the history of a search."""
    efforts: tuple[float, ...] = ()
    """Efforts that it offers, rising, such as epochs of training; empty where there is only one."""

    @property
    @abstractmethod
    def quantities(self) -> tuple[str, ...]:
        """The names of the quantities of its verdicts."""

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The lowest and the highest value of quantities, where they are known: saved verdicts are checked by them."""
        return {}

    @abstractmethod
    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture. `effort` is one of `efforts`; None stands for the last.

        A failure of one architecture is a verdict. Raises UsageError for an effort that it does not offer.
        """

    def test_quantities(self, architecture: Architecture) -> dict[str, float]:  # noqa: ARG002 - tables know some
        """The quantities that judge an architecture when a search is over. No strategy sees them."""
        return {}

    def effort_index(self, effort: float | None) -> int:
        """Position of the effort in `efforts`; -1 for None. Raises UsageError for another effort."""
        if effort is None:
            return -1
        if effort not in self.efforts:
            offered = ", ".join(f"{one:g}" for one in self.efforts) or "only one effort"
            raise UsageError(f"evaluator {self.name}: expected an effort of {offered}, but found {effort:g}")
        return self.efforts.index(effort)
