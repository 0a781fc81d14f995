"""The problem of a policy: what every precision of every op costs and is worth, and the bound on the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import TargetOutOfReach, UsageError
from latkit.spaces import Architecture, ChainSpace
from latkit.spaces.precisions import common_precisions, uniform_policy
from latkit.tables.additive import AdditiveTable


@dataclass(frozen=True)
class PolicyProblem:
    """A network in several precisions, and how much it may cost. A policy is an architecture of the space."""

    space: ChainSpace
    """One choice per op and one option per precision, as `network_precisions` makes it."""
    costs: AdditiveTable
    """Seconds, bytes or joules of every option, with pair terms where a boundary between precisions costs time."""
    bound: float
    """Maximum cost, in the unit of the table."""

    def __post_init__(self) -> None:
        self.costs.check_space(self.space)
        if not self.bound > 0:
            raise UsageError(f"expected a bound above 0, but found {self.bound:g}")
        if (minimum := self.costs.min()) > self.bound:
            shown = self.costs.format_value
            raise TargetOutOfReach(
                f"no policy of {self.space.name} meets {shown(self.bound)}: the least that its precisions allow is "
                f"{shown(minimum)}; give at least that, or more precisions"
            )

    @cached_property
    def rows(self) -> list[Floats]:
        """What the options of every choice cost, shape (options,) each."""
        return [np.array(row) for row in self.costs.rows()]

    @cached_property
    def pairs(self) -> list[Floats | None]:
        """For every choice but the last, what its options (rows) cost with those of the next choice (columns)."""
        found = [None if pair is None else np.array(pair) for pair in self.costs.pair_rows()]
        return found or [None] * (len(self.rows) - 1)

    @cached_property
    def costs_to_go(self) -> list[Floats]:
        """For every choice, the least that the choices after it cost, by its own option."""
        found = [np.zeros(len(self.rows[-1]))]
        for row, pair in zip(reversed(self.rows[1:]), reversed(self.pairs), strict=True):
            after = row + found[-1]
            width = len(self.rows[len(self.rows) - 1 - len(found)])
            found.append(np.full(width, after.min()) if pair is None else (pair + after).min(axis=1))
        return found[::-1]

    @property
    def base(self) -> float:
        """The cost that every policy has."""
        return float(self.costs.base)

    def cost(self, policy: Sequence[int]) -> float:
        """The cost of a policy."""
        return self.costs.total(policy)

    def meets(self, policy: Sequence[int]) -> bool:
        """Whether a policy costs no more than the bound, to the rounding of a sum."""
        return self.cost(policy) <= self.bound * (1 + 1e-12)

    @cached_property
    def cheapest(self) -> Architecture:
        """The policy of the least cost: of equal ones, the first."""
        chosen = [int(np.argmin(self.rows[0] + self.costs_to_go[0]))]
        for place, row in enumerate(self.rows[1:], 1):
            pair = self.pairs[place - 1]
            steps = row + self.costs_to_go[place] + (0.0 if pair is None else pair[chosen[-1]])
            chosen.append(int(np.argmin(steps)))
        return tuple(chosen)


def known_policies(problem: PolicyProblem) -> list[Architecture]:
    """The cheapest policy, and the uniform ones that meet the bound: without repetition."""
    uniform = [uniform_policy(problem.space, name) for name in common_precisions(problem.space)]
    return list(dict.fromkeys([problem.cheapest, *(policy for policy in uniform if problem.meets(policy))]))
