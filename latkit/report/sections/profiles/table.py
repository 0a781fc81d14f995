"""Profiles of model files in short: on their own page, in a target's report and in the overview."""

from __future__ import annotations

from collections.abc import Sequence

from latkit._io.moments import moment_written
from latkit.evaluation.op_summary import bottleneck, by_kind, slowest
from latkit.profiling.profile import Profile
from latkit.report.formatting import ABSENT, count, digits, marked, percent
from latkit.report.html import Html, details, join, notice, paragraph, table
from latkit.report.sections.profiles.profile import mebibytes, milliseconds

SHOWN = 10
"""A target's report shows this many ops of each model, the slowest ones; the model's own page has all of them."""


def model_files(profiles: Sequence[Profile]) -> Html:
    """The latest profile of every model of a target, with its slowest ops."""
    return join([profiles_table(profiles), *map(_in_short, profiles)])


def _in_short(profile: Profile) -> Html:
    rows = [
        (op.title, op.kind, op.placement, milliseconds(op.ms), percent(op.share_percent))
        for op in slowest(profile, SHOWN)
    ]
    parts = [notice(f"{name}: {text}") for name, text in profile.flags.items()]
    parts += [paragraph(" ".join(bottleneck(profile))), table(("op", "kind", "ran on", "time", "share"), rows, 3)]
    ops = f"slowest of {count(len(profile.ops), 'op')}" if rows else "no times of ops"
    return details(f"{profile.model}, {moment_written(profile.created_at)}: {ops}", *(parts if rows else parts[:-2]))


def profiles_table(profiles: Sequence[Profile]) -> Html:
    """One row per profile, with its most important figures."""
    columns = ("model", "target", "median", "99 %", "mean", "per second", "load", "peak memory", "slowest kind")
    rows = [
        (
            profile.model,
            marked(profile.target, profile.emulated),
            milliseconds(profile.latency_ms.p50),
            milliseconds(profile.latency_ms.p99),
            milliseconds(profile.latency_ms.mean),
            digits(profile.throughput_per_s),
            milliseconds(profile.load_ms),
            mebibytes(profile.peak_memory_bytes) or ABSENT,
            _slowest_kind(profile),
        )
        for profile in profiles
    ]
    return table(columns, rows, text_columns=2)


def _slowest_kind(profile: Profile) -> str:
    groups = by_kind(profile)
    return f"{groups[0].name}, {groups[0].share_percent:.0f} %" if groups else ABSENT
