"""The reward of a controller: MnasNet's score x (latency / target)^w (Tan et al. 2019, arXiv 1807.11626, eq. 2)."""

from __future__ import annotations

import math

from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals

WITHIN, BEYOND = 0.0, -1.0
"""MnasNet's exponents alpha and beta of a hard limit (eq. 3 and figure 3): what is within a bound is judged by its
value alone. A negative exponent within would draw the controller away from the bound, where the best networks are."""


def mnasnet_reward(goals: Goals, verdict: Verdict, within: float = WITHIN, beyond: float = BEYOND) -> float | None:
    """The first goal's value times (quantity / upper end)^w for each bound from above; None where it is missing.

    w is `within` up to the bound and `beyond` over it. A value below 0, as of a quantity to minimize, is divided
    instead, so that excess always lowers the reward.
    """
    goal = goals.goals[0]
    if verdict.failure or goal.quantity not in verdict.quantities:
        return None
    reward = goal.value(verdict)
    for bound in goals.bounds:
        quantity = verdict.quantities.get(bound.quantity)
        if quantity is not None and quantity > 0 and math.isfinite(bound.upper) and bound.upper > 0:
            factor = (quantity / bound.upper) ** (within if quantity <= bound.upper else beyond)
            reward *= factor if reward >= 0 else 1 / factor
    return reward
