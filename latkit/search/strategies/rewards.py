"""The reward of a controller: MnasNet's accuracy x (latency / target)^w (Tan et al. 2019, arXiv 1807.11626, eq. 2)."""

from __future__ import annotations

import math

from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals

EXPONENT = -0.07
"""MnasNet's w: a doubled latency pays for 5 % more accuracy."""


def mnasnet_reward(goals: Goals, verdict: Verdict, exponent: float = EXPONENT) -> float | None:
    """The first goal's value times (quantity / upper end)^exponent for each bound from above; None where it is missing.

    A value below 0, as of a quantity to minimize, is divided instead, so that excess always lowers the reward.
    """
    goal = goals.goals[0]
    if verdict.failure or goal.quantity not in verdict.quantities:
        return None
    reward = goal.value(verdict)
    for bound in goals.bounds:
        quantity = verdict.quantities.get(bound.quantity)
        if quantity is not None and quantity > 0 and math.isfinite(bound.upper) and bound.upper > 0:
            factor = (quantity / bound.upper) ** exponent
            reward *= factor if reward >= 0 else 1 / factor
    return reward
