"""Ops of two profiles beside each other: which became slower, which faster, which came and which went."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from latkit.profiling.profile import OpTime, Profile


@dataclass(frozen=True, slots=True)
class OpChange:
    """One op before and after; times in ms per run, None where there is no such op."""

    name: str
    kind_before: str | None
    kind_after: str | None
    before_ms: float | None
    after_ms: float | None

    @property
    def change_ms(self) -> float:
        """Positive if it takes longer after."""
        return (self.after_ms or 0.0) - (self.before_ms or 0.0)

    @property
    def kind(self) -> str:
        """The kind; both if it changed."""
        if self.kind_before and self.kind_after and self.kind_before != self.kind_after:
            return f"{self.kind_before} > {self.kind_after}"
        return self.kind_after or self.kind_before or ""


def op_changes(
    before: Profile, after: Profile, before_ms: float | None = None, after_ms: float | None = None
) -> list[OpChange]:
    """The changes, largest first. Ops are matched by the first of their nodes, which keeps its name where a model
    is quantized; the same name twice in a file counts as first, second, ...

    `before_ms`, `after_ms`: latencies of the whole models that the ops are shares of, such as those of a comparison
    in interleaved rounds; the profiles' own medians if None.
    """
    first, second = _times(before, before_ms), _times(after, after_ms)
    changes = [
        OpChange(
            name=name if number == 0 else f"{name} ({number + 1})",
            kind_before=first[key][0] if (key := (name, number)) in first else None,
            kind_after=second[key][0] if key in second else None,
            before_ms=first[key][1] if key in first else None,
            after_ms=second[key][1] if key in second else None,
        )
        for name, number in dict.fromkeys((*first, *second))
    ]
    return sorted(changes, key=lambda change: -abs(change.change_ms))


def scale_to(profile: Profile, total_ms: float | None) -> float:
    """The factor of a profile's op times that makes them shares of another latency; 1 if there is none."""
    return 1.0 if total_ms is None or not profile.latency_ms.p50 else total_ms / profile.latency_ms.p50


def _times(profile: Profile, total_ms: float | None) -> dict[tuple[str, int], tuple[str, float]]:
    """Kind and ms of every op, by its name and how often the name occurred before."""
    scale = scale_to(profile, total_ms)
    counts: Counter[str] = Counter()
    times = {}
    for op in profile.ops:
        times[_key(op, counts)] = (op.kind, op.ms * scale)
    return times


def _key(op: OpTime, counts: Counter[str]) -> tuple[str, int]:
    name = op.nodes[0] if op.nodes else op.name
    counts[name] += 1
    return name, counts[name] - 1
