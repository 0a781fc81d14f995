"""The budget rule: precisions are lowered in sequence until a policy meets its bound (Wang et al. 2019, sec. 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.search.quantization.problem import PolicyProblem
from latkit.spaces import Architecture


def within_budget(problem: PolicyProblem, policy: Sequence[int]) -> Architecture:
    """The policy, with the precisions of its choices lowered one step after the other until it meets the bound.

    In the paper fewer bits always cost less. Measured, they may cost more: a depthwise convolution in int8, or a
    boundary to a neighbor. So a step takes the next option of a choice with fewer bits by which the policy gets
    cheaper. Where no step makes it cheaper, the choices take those of the cheapest policy, from the first on.
    """
    found = list(policy)
    cost = problem.cost(found)
    lowered = True
    while cost > problem.bound and lowered:
        lowered = False
        for place, options in enumerate(problem.rows):
            for option in range(found[place] - 1, -1, -1) if len(options) > 1 else ():
                changed = [*found[:place], option, *found[place + 1 :]]
                if (lower := problem.cost(changed)) < cost:
                    found, cost, lowered = changed, lower, True
                    break
            if problem.meets(found):
                return tuple(found)
    for place, option in enumerate(problem.cheapest):
        if problem.meets(found):
            break
        found[place] = option
    return tuple(found)
