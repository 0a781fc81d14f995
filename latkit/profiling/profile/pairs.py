"""Times two models in alternating blocks: each is the other's reference, so that both see the same moments."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from latkit.devices import RecoveringSession, Session
from latkit.ops import digest
from latkit.runtimes.artifact import FileArtifact
from latkit.timing import Round, TimingPlan

ROUND_S = 0.1
PLAN = TimingPlan(rounds=1, round_s=ROUND_S, extra_rounds=0)
"""Of each of a pass's two rounds."""

Floats = NDArray[np.float64]


class SecondLoad(FileArtifact):
    """The same file, loaded a second time beside the first."""

    @property
    def load_key(self) -> str:
        """Differs from the first load's."""
        return digest([super().load_key, "second load"])

    @classmethod
    def of(cls, artifact: FileArtifact) -> SecondLoad:
        """A second load of that artifact."""
        return cls(**{one.name: getattr(artifact, one.name) for one in fields(FileArtifact)})


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class PairRound(_Record):
    """Raw samples of one round of both models, in nanoseconds, in the order they were taken."""

    subject: Literal["a", "b"]
    """The model with the longer blocks; the other ran as its reference."""
    started_at: float
    """Seconds since 1970."""
    a_wall_ns: tuple[int, ...]
    a_cpu_ns: tuple[int, ...]
    b_wall_ns: tuple[int, ...]
    b_cpu_ns: tuple[int, ...]

    def seconds(self, use_cpu_time: bool) -> tuple[float, float]:
        """A's and B's time per run in this round."""
        return (
            _per_run_s(self.a_wall_ns, self.a_cpu_ns, use_cpu_time),
            _per_run_s(self.b_wall_ns, self.b_cpu_ns, use_cpu_time),
        )


class PairPass(_Record):
    """Two rounds with the roles exchanged, in random order, of models that were loaded for it."""

    rounds: tuple[PairRound, PairRound]

    def log_ratio(self, use_cpu_time: bool) -> float:
        """Logarithm of B's time in units of A's, the mean of both roles."""
        pairs = [one_round.seconds(use_cpu_time) for one_round in self.rounds]
        return sum(math.log(b / a) for a, b in pairs) / len(pairs)


@dataclass(frozen=True, slots=True)
class PairTimer:
    """Times passes of two models in a session."""

    session: RecoveringSession
    first: FileArtifact
    second: FileArtifact
    rng: random.Random

    def time_pass(self) -> PairPass:
        """One pass. Both models are loaded anew, because one load may be faster than the next. Raises DeviceError."""
        for artifact in (self.first, self.second):
            self.session.act(artifact, self.first, partial(Session.unload, artifact=artifact))
        roles: list[Literal["a", "b"]] = ["a", "b"]
        self.rng.shuffle(roles)
        one, other = (self._round(role) for role in roles)
        return PairPass(rounds=(one, other))

    def _round(self, role: Literal["a", "b"]) -> PairRound:
        subject, reference = (self.first, self.second) if role == "a" else (self.second, self.first)
        return _pair_round(role, self.session.measure_round(subject, reference, PLAN))


def _pair_round(role: Literal["a", "b"], found: Round) -> PairRound:
    subject, reference = (found.wall_ns, found.cpu_ns), (found.reference_wall_ns, found.reference_cpu_ns)
    a, b = (subject, reference) if role == "a" else (reference, subject)
    return PairRound(
        subject=role,
        started_at=found.started_at,
        a_wall_ns=tuple(a[0]),
        a_cpu_ns=tuple(a[1]),
        b_wall_ns=tuple(b[0]),
        b_cpu_ns=tuple(b[1]),
    )


def _per_run_s(wall_ns: Sequence[int], cpu_ns: Sequence[int], use_cpu_time: bool) -> float:
    """Mean CPU time per run of a single thread, which waiting does not lengthen; else the median wall time."""
    wall: Floats = np.asarray(wall_ns, dtype=np.float64)
    if not use_cpu_time or len(cpu_ns) != len(wall_ns):
        return float(np.median(wall)) / 1e9
    cpu: Floats = np.asarray(cpu_ns, dtype=np.float64)
    return float(np.where(cpu > 0, np.minimum(cpu, wall), wall).mean()) / 1e9
