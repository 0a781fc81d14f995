"""A/B comparison: whether one model is slower than another on the same device, with a confidence interval.

A pass times both models twice, in alternating blocks, with the roles exchanged and the models loaded anew in random
order. Its datum is the log ratio of their mean times, so that drift, order and a lucky load cancel within the pass.

The estimate over passes is Hodges and Lehmann's (1963): the median of all pairwise means (Walsh averages). Its interval
inverts Wilcoxon's signed-rank test. If both models are equal, a pass is as likely to give x as -x, because its order is
drawn at random; so the share of false alarms is exact for any noise and any number of passes. A t interval assumes
normal noise, and a bootstrap over a dozen passes is too narrow; docs/profile.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from latkit.errors import NotMeasured

LEVEL = 0.99
"""Confidence level of intervals: 1 in 100 comparisons of a model with itself is a false alarm."""
MIN_PASSES = 12
MAX_PASSES = 60
MAX_HALF_WIDTH = 0.015
"""Passes are added until the interval's half-width is below this share: then 3 % is found 95 times in 100."""

Floats = NDArray[np.float64]
Verdict = Literal["slower", "faster", "no difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much longer B takes than A, as a share of A, with the bounds of its interval."""

    ratio: float
    """B's latency in units of A's."""
    low: float
    high: float
    """Bounds of the ratio."""
    effect_size: float | None
    """Cohen's d of paired samples: the mean log ratio in units of its standard deviation between passes; None if they
    do not vary."""
    passes: int

    @property
    def percent(self) -> float:
        """Positive if B is slower."""
        return 100 * (self.ratio - 1)

    @property
    def interval_percent(self) -> tuple[float, float]:
        """The bounds, as `percent`."""
        return 100 * (self.low - 1), 100 * (self.high - 1)

    @property
    def verdict(self) -> Verdict:
        """`slower`, `faster`, or `no difference` if the interval contains zero."""
        return "slower" if self.low > 1 else "faster" if self.high < 1 else "no difference"


def difference(log_ratios: Sequence[float] | Floats, level: float = LEVEL) -> Difference:
    """The difference over passes. `log_ratios`: the logarithm of B's time in units of A's, one per pass.

    Raises NotMeasured with fewer passes than the interval needs.
    """
    values = np.asarray(log_ratios, dtype=np.float64)
    low, middle, high = signed_rank_interval(values, level)
    spread = float(values.std(ddof=1))
    return Difference(
        ratio=math.exp(middle),
        low=math.exp(low),
        high=math.exp(high),
        effect_size=float(values.mean()) / spread if spread > 0 else None,
        passes=len(values),
    )


def signed_rank_interval(values: Floats, level: float = LEVEL) -> tuple[float, float, float]:
    """Lower bound, Hodges-Lehmann estimate and upper bound of the center of symmetrically distributed values.

    The interval is exact: its coverage is at least `level`. Raises NotMeasured with too few values for the level.
    """
    count = len(values)
    outside = _ranks_outside(count, level)
    if outside < 1:
        raise NotMeasured(f"expected enough passes for an interval of {100 * level:.0f} %, but found {count}")
    first, second = np.triu_indices(count)
    walsh = np.sort((values[first] + values[second]) / 2)
    return float(walsh[outside - 1]), float(np.median(walsh)), float(walsh[len(walsh) - outside])


@lru_cache(maxsize=256)
def _ranks_outside(count: int, level: float) -> int:
    """Number of Walsh averages beyond each bound: the largest k with P(W < k) <= (1 - level) / 2.

    W is the sum of the ranks 1..count that carry a positive sign; every sign is a fair coin. `ways[w]` counts the sign
    patterns with the sum w.
    """
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[:-rank]
    cumulative = np.cumsum(ways) / 2.0**count
    return int(np.searchsorted(cumulative, (1 - level) / 2, side="right"))


def is_precise(log_ratios: Sequence[float]) -> bool:
    """Whether more passes are not needed."""
    if len(log_ratios) < MIN_PASSES:
        return False
    low, _, high = signed_rank_interval(np.asarray(log_ratios, dtype=np.float64))
    return (high - low) / 2 <= MAX_HALF_WIDTH


def of_intervals(before: tuple[float, float, float], after: tuple[float, float, float]) -> Difference:
    """The difference of two latencies that were measured apart, each as (low, estimate, high) at 90 %.

    Half-widths add as independent errors in log space, scaled from 90 % to `LEVEL` as those of a normal distribution.
    """
    low, high = (
        math.hypot(math.log(before[1] / before[2 - side]), math.log(after[side] / after[1])) * _NORMAL_SCALE
        for side in (0, 2)
    )
    middle = math.log(after[1] / before[1])
    return Difference(
        ratio=math.exp(middle), low=math.exp(middle - low), high=math.exp(middle + high), effect_size=None, passes=1
    )


_NORMAL_SCALE = 2.5758 / 1.6449
"""Normal quantiles of a 99 % and a 90 % interval."""
