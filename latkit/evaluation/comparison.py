"""The record of an A/B comparison: raw samples, the difference, and the same model against itself."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from latkit._io import load_record, one_line, write_record
from latkit._io.moments import now_written
from latkit.errors import MeasurementConflict, NotMeasured
from latkit.evaluation.ab import LEVEL, Difference, Verdict, difference, of_intervals
from latkit.profiling.profile import Profile
from latkit.profiling.profile.pairs import PairPass

EXPECTED = "a comparison of two models"

MAX_VALUE_CHARS = 80
"""Of a value of a stored profile, in a message."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Interval(_Record):
    """A difference in percent of A, with the bounds of its interval."""

    percent: float
    low_percent: float
    high_percent: float
    effect_size: float | None
    """Cohen's d over passes; None where the models were not timed in turn."""
    passes: int
    verdict: Verdict

    @classmethod
    def of(cls, found: Difference) -> Self:
        """The record of a difference."""
        low, high = found.interval_percent
        return cls(
            percent=found.percent,
            low_percent=low,
            high_percent=high,
            effect_size=found.effect_size,
            passes=found.passes,
            verdict=found.verdict,
        )


class Compared(_Record):
    """One of the two models."""

    model: str
    sha256: str
    ms: float
    """Its latency in the comparison: the geometric mean over rounds; the stored estimate where measured apart."""
    created_at: str = ""
    """Of the profile."""


class Comparison(_Record):
    """Two models on one target."""

    format: Literal["latkit-comparison-1"] = "latkit-comparison-1"
    target: str
    a: Compared
    b: Compared
    created_at: str
    level: float = LEVEL
    """Confidence level of both intervals."""
    interleaved: bool
    """Whether they were timed in turn; False for a comparison with a stored profile."""
    difference: Interval
    """How much longer B takes than A."""
    aa: Interval | None = None
    """A against itself, loaded twice, in the same passes."""
    beyond_aa: bool | None = None
    """Whether the interval of the difference is apart from that of A against itself."""
    passes: tuple[PairPass, ...] = ()
    aa_passes: tuple[PairPass, ...] = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison as JSON, atomically. Raises WriteError."""
        write_record(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a comparison. Raises BadFile."""
        return load_record(path, cls, EXPECTED)

    @property
    def statement(self) -> str:
        """The result in one sentence."""
        found = self.difference
        interval = f"{found.percent:+.2f} % ({found.low_percent:+.2f} to {found.high_percent:+.2f} %)"
        if found.verdict == "no difference":
            return f"no difference found between {self.b.model} and {self.a.model}: {interval}"
        return f"{self.b.model} is {found.verdict} than {self.a.model}: {interval}"


def interleaved_comparison(
    before: Profile, after: Profile, passes: Sequence[PairPass], aa_passes: Sequence[PairPass], use_cpu_time: bool
) -> Comparison:
    """The comparison of two models that were timed in turn. Raises NotMeasured with too few passes."""
    found = Interval.of(difference([one.log_ratio(use_cpu_time) for one in passes]))
    aa = Interval.of(difference([one.log_ratio(use_cpu_time) for one in aa_passes]))
    seconds = [one_round.seconds(use_cpu_time) for one in passes for one_round in one.rounds]
    a_ms, b_ms = (1e3 * math.exp(sum(math.log(s[side]) for s in seconds) / len(seconds)) for side in (0, 1))
    return Comparison(
        target=after.target,
        a=_compared(before, a_ms),
        b=_compared(after, b_ms),
        created_at=now_written(),
        interleaved=True,
        difference=found,
        aa=aa,
        beyond_aa=found.low_percent > aa.high_percent or found.high_percent < aa.low_percent,
        passes=tuple(passes),
        aa_passes=tuple(aa_passes),
    )


def stored_comparison(stored: Profile, now: Profile) -> Comparison:
    """The comparison with a profile that was made before. Raises MeasurementConflict if the setup has changed."""
    check_same_setup(stored, now.target, now.environment)
    return Comparison(
        target=now.target,
        a=_compared(stored, _estimate_ms(stored)[1]),
        b=_compared(now, _estimate_ms(now)[1]),
        created_at=now_written(),
        interleaved=False,
        difference=Interval.of(of_intervals(_estimate_ms(stored), _estimate_ms(now))),
    )


def check_same_setup(stored: Profile, target: str, environment: dict[str, object]) -> None:
    """Raise MeasurementConflict, which names the changes, if a profile is of another target or environment."""
    now = {"target": target, **environment}
    before = {**stored.environment, "target": stored.target}
    changes = [
        f"{name.replace('_', ' ')} was {one_line(str(before.get(name) or 'unknown'), MAX_VALUE_CHARS)}, "
        f"is {value or 'unknown'}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if changes:
        raise MeasurementConflict(
            f"expected the setup of the profile of {one_line(stored.model)} of {stored.created_at}, but found: "
            f"{'; '.join(changes)}; profile both models again"
        )


def upper_ms(profile: Profile) -> float:
    """Upper end of the latency's interval, in ms: of the estimate on the idle device."""
    return _estimate_ms(profile)[2]


def _estimate_ms(profile: Profile) -> tuple[float, float, float]:
    """Lower bound, latency and upper bound, in ms. Raises NotMeasured."""
    found = profile.latency_ms
    if found.low is None or found.estimate is None or found.high is None:
        raise NotMeasured(f"the profile of {profile.model} of {profile.created_at} has no interval; profile it again")
    return found.low, found.estimate, found.high


def _compared(profile: Profile, ms: float) -> Compared:
    return Compared(model=profile.model, sha256=profile.sha256, ms=ms, created_at=profile.created_at)
