"""The page of one or several profiles: each model in full, sweeps as curves, and two models side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from latkit._io import write_text
from latkit.errors import UsageError
from latkit.evaluation.comparison import Comparison
from latkit.evaluation.scaling import sweeps
from latkit.profiling.profile import Profile
from latkit.report.figures.figures_page import page
from latkit.report.figures.profile_figures import sweep_curve
from latkit.report.formatting import marked
from latkit.report.html import Anchors, Html, card, join, section, subject
from latkit.report.page import Heading
from latkit.report.sections.profiles.profile import profile_sections
from latkit.report.sections.profiles.profile_compare import compare_section
from latkit.report.sections.profiles.table import profiles_table


def write_profile_page(
    profiles: Sequence[Profile], path: str | os.PathLike[str], comparison: Comparison | None = None
) -> None:
    """Write one self-contained HTML page, atomically. Raises UsageError for no profile or no folder, WriteError.

    `comparison`: of the first two profiles.
    """
    place = Path(path)
    if not place.parent.is_dir():
        raise UsageError(f"expected a folder to write {place.name} into, but found none at {place.parent}")
    if not profiles:
        raise UsageError("expected at least one profile to show, but found none")
    write_text(place, profile_page(profiles, comparison))


def profile_page(profiles: Sequence[Profile], comparison: Comparison | None = None) -> Html:
    """The page of at least one profile."""
    if len(profiles) == 1:
        (profile,) = profiles
        name = f"{profile.model} on {marked(profile.target, profile.emulated)}"
        lede = f"How fast {profile.model} runs on {profile.target}, and which ops take the time."
        return page(Heading("Profile", name, lede), profile_sections(profile))
    parts = [section("Models by targets", profiles_table(profiles)), _sweeps(profiles)]
    if len(profiles) == 2:
        parts.append(compare_section(profiles[0], profiles[1], comparison))
    anchors: Anchors = []
    for number, profile in enumerate(profiles):
        anchors.append((f"{profile.model} on {marked(profile.target, profile.emulated)}", f"profile-{number}"))
        parts.append(subject("Profile of", *anchors[-1], profile_sections(profile, level=3)))
    lede = "How fast these models run on each target, side by side, and then each op by op."
    heading = Heading("Profiles", f"{len(profiles)} profiles", lede)
    return page(heading, join(parts), anchors)


def _sweeps(profiles: Sequence[Profile]) -> Html:
    """Curves over threads and batch sizes, where a model was profiled at several of them."""
    parts = []
    for what in ("threads", "batch"):
        found = sweeps(profiles, what)
        if not found:
            continue
        latencies = [(s.title, [(getattr(p, what), p.latency_ms.p50) for p in s.profiles]) for s in found]
        rates = [(s.title, [(getattr(p, what), p.throughput_per_s) for p in s.profiles]) for s in found]
        parts.append(card(f"Median latency by {what}", sweep_curve(what, latencies, "ms")))
        parts.append(card(f"Examples per second by {what}", sweep_curve(what, rates, "per second")))
    return section("Sweeps", *parts) if parts else Html()
