"""Where a profile's time goes: by kind of op, by placement, and which limit of the device is near."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from latkit.profiling.profile import OpTime, Peaks, Profile
from latkit.profiling.profile.op_table import MAX_SLOWDOWN, MIN_CALL_MS, is_timed

_MODULE = re.compile(r"^(?:\w+\.)+(?=[A-Z][\w…]*$)")
"""The Python modules before the name of a class."""

OVERHEAD = "runtime overhead"
"""Name of the part of the latency that no op accounts for."""


@dataclass(frozen=True, slots=True)
class GroupTime:
    """Ops of one group together, per run."""

    name: str
    ops: int
    ms: float
    share_percent: float
    """Of the median latency."""
    macs: int | None
    """None if those of one op are unknown."""

    @property
    def gmacs_per_s(self) -> float | None:
        """Achieved rate; None without MACs."""
        return self.macs / self.ms / 1e6 if self.macs and self.ms else None


@dataclass(frozen=True, slots=True)
class Bound:
    """The ops that one of the device's limits is nearest to."""

    name: str
    """`compute`, `memory` or `cache`."""
    ops: int
    share_percent: float
    """Of the median latency."""
    peak_percent: float | None
    """Achieved share of the peak, a mean weighted by time; None for `cache`, whose peak is not measured."""


def by_kind(profile: Profile) -> list[GroupTime]:
    """The ops by kind, slowest kind first."""
    return _grouped(profile.ops, lambda op: op.kind)


def by_placement(profile: Profile) -> list[GroupTime]:
    """The ops by execution provider or delegate, slowest first."""
    return _grouped(profile.ops, lambda op: op.placement)


def slowest(profile: Profile, count: int) -> list[OpTime]:
    """The slowest ops, slowest first."""
    return sorted(profile.ops, key=lambda op: -op.ms)[:count]


def short_name(name: str, max_chars: int) -> str:
    """What tells an op from others: the end of its name, as converters write the path of its module before it.

    A path such as `/2/body/expand/expand.2/Clip_output_0` keeps its beginning, the block: `2/…/expand.2/Clip_output_0`.
    Of a module, its class and attribute are shown: `Block_2/Conv2d_4` for `model.Block_2/torch.nn.Conv2d_4;1`.
    """
    first = "/".join(_MODULE.sub("", part) for part in name.split(";", 1)[0].split("/"))
    if len(first) <= max_chars:
        return first
    parts = first.strip("/").split("/")
    if first.startswith("/") and len(parts) > 2:
        middle = "/…/" if len(parts) > 3 else "/"
        for end in ("/".join(parts[-2:]), parts[-2]):
            if len(shown := parts[0] + middle + end) <= max_chars:
                return shown
    cut = first[1 - max_chars :]
    return "…" + (cut[cut.index("/") :] if "/" in cut[:-1] and cut.index("/") < max_chars // 2 else cut)


def bounds(profile: Profile) -> list[Bound]:
    """Both limits with the ops nearest to them, the longer time first; empty without measured peaks."""
    found = []
    for name in ("compute", "memory", "cache"):
        ops = [op for op in profile.ops if op.bound == name]
        total_ms = sum(op.ms for op in ops)
        if total_ms:
            known = [op.peak_percent * op.ms for op in ops if op.peak_percent is not None]
            peak = sum(known) / total_ms if known else None
            found.append(Bound(name, len(ops), sum(op.share_percent for op in ops), peak))
    return sorted(found, key=lambda bound: -bound.share_percent)


def bottleneck(profile: Profile) -> list[str]:
    """The bottleneck in sentences: the slowest kind, the nearer limit, and what is not computation."""
    if not profile.ops:
        return []
    kind = by_kind(profile)[0]
    sentences = [f"{kind.share_percent:.0f} % of the time is {kind.name} ({_ops(kind.ops)})."]
    if profile.peaks is not None:
        sentences += [_bound_sentence(bound, profile.peaks) for bound in bounds(profile)]
    slowed = profile.profiler is not None and profile.profiler.slowdown > MAX_SLOWDOWN
    if not slowed and profile.overhead_ms and profile.overhead_ms > 0.05 * profile.latency_ms.p50:
        share = 100 * profile.overhead_ms / profile.latency_ms.p50
        sentences.append(f"{share:.0f} % is spent outside of all ops ({OVERHEAD}).")
    if profile.fallbacks:
        share = sum(op.share_percent for op in profile.ops if op.placement in _fallback_placements(profile))
        sentences.append(
            f"{_ops(len(profile.fallbacks))} fell back to {', '.join(sorted(_fallback_placements(profile)))}: "
            f"{share:.0f} % of the time."
        )
    return sentences + caveats(profile)


def caveats(profile: Profile) -> list[str]:
    """What the op times of a small model are worth, in sentences."""
    found = profile.profiler
    if found is None or not profile.ops:
        return []
    sentences = []
    if found.slowdown > MAX_SLOWDOWN:
        sentences.append(
            f"Profiled runs take {found.slowdown:.1f} times as long as others: op times are rough, and rates are not "
            "given."
        )
    if short := sum(not is_timed(op) for op in profile.ops):
        takes = "takes" if short == 1 else "take"
        sentences.append(
            f"{_ops(short)} of {len(profile.ops)} {takes} less than {1e3 * MIN_CALL_MS:.0f} us, too short for the "
            "profiler's whole microseconds: their times are rough."
        )
    return sentences


def _bound_sentence(bound: Bound, peaks: Peaks) -> str:
    share = f"{bound.share_percent:.0f} % is {bound.name}-bound"
    if bound.peak_percent is None:
        return f"{share}: its data comes from the caches, faster than memory's measured {peaks.gbytes_per_s:.3g} GB/s."
    peak = f"{peaks.gmacs_per_s:.3g} GMAC/s" if bound.name == "compute" else f"{peaks.gbytes_per_s:.3g} GB/s"
    return f"{share}, at {bound.peak_percent:.0f} % of the measured peak of {peak}."


def _fallback_placements(profile: Profile) -> set[str]:
    return {fallback.placement for fallback in profile.fallbacks}


def _grouped(ops: Sequence[OpTime], key: Callable[[OpTime], str]) -> list[GroupTime]:
    groups: dict[str, list[OpTime]] = {}
    for op in ops:
        groups.setdefault(key(op), []).append(op)
    return sorted((_group(name, members) for name, members in groups.items()), key=lambda group: -group.ms)


def _group(name: str, ops: Sequence[OpTime]) -> GroupTime:
    return GroupTime(
        name=name,
        ops=len(ops),
        ms=sum(op.ms for op in ops),
        share_percent=sum(op.share_percent for op in ops),
        macs=_total(op.macs for op in ops),
    )


def _total(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value or 0 for value in known)


def _ops(count: int) -> str:
    return f"{count} op" if count == 1 else f"{count} ops"
