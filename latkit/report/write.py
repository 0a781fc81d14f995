"""Writing the page: one self-contained file that makes no network requests."""

from __future__ import annotations

import os
from pathlib import Path

from latkit._io import reading, write_text
from latkit.errors import UsageError
from latkit.layout import FittedModels
from latkit.layout.series import series_named
from latkit.report.figures.figures_page import page
from latkit.report.formatting import marked
from latkit.report.html import Html, join
from latkit.report.page import Heading
from latkit.report.sections.overview import overview
from latkit.report.sections.quantization import (
    quantization_lede,
    quantization_sections,
    quantizations_of,
    read_quantization,
)
from latkit.report.sections.searches.search import search_lede, search_sections
from latkit.report.sections.searches.search_facts import read_search, replays_of, supernets_of
from latkit.report.sections.searches.series import comparison_with_others, series_sections
from latkit.report.sections.searches.strategy import read_strategy, strategy_headline, strategy_lede, strategy_sections
from latkit.report.sections.supernets.specialized import supernet_lede, supernet_sections
from latkit.report.sections.supernets.specialized_facts import read_supernet
from latkit.report.sections.targets.target import target_sections
from latkit.report.sections.targets.target_facts import read_target
from latkit.targets import Target

LEDES = {
    "workspace": "What was measured, modelled and searched in the workspace {name}, device by device.",
    "target": "How fast {name} runs ops and networks, how well that is predicted, and what disturbed the measurements.",
    "series": "The searches of {name} together: each network on every target, and its score against its latency.",
}
"""What a page shows, in one sentence."""


def write_report(workspace: FittedModels, subject: Target | str | None, path: str | os.PathLike[str]) -> None:
    """Write an HTML page about a target, a search or supernet by its name, or (None) the whole workspace.

    Raises UsageError for an unknown name, WriteError for a path that cannot be written, and BadFile if the
    files of that name cannot be read. The page is written atomically.
    """
    place = Path(path)
    if not place.parent.is_dir():
        raise UsageError(f"expected a folder to write {place.name} into, but found none at {place.parent}")
    if place.is_dir():
        raise UsageError(f"expected a file to write the report to, but found the folder {place}")
    write_text(place, page_about(workspace, subject, place.parent))


def page_about(workspace: FittedModels, subject: Target | str | None, folder: Path) -> Html:
    """The page; files are linked as seen from the folder that it is written into. Raises UsageError, BadFile."""
    if isinstance(subject, str):
        workspace.check_search(subject)
    with reading(subject or workspace.root, "records that belong together"):
        return _page_about(workspace, subject, folder)


def _page_about(workspace: FittedModels, subject: Target | str | None, folder: Path) -> Html:
    if subject is None:
        content, anchors = overview(workspace, folder)
        name = workspace.root.resolve().name
        return page(Heading("Workspace", name, LEDES["workspace"].format(name=name)), content, anchors)
    if isinstance(subject, Target):
        known = read_target(workspace, subject)
        name = marked(subject, known.emulated)
        return page(Heading("Target", name, LEDES["target"].format(name=name)), target_sections(known))
    strategy = read_strategy(workspace.search_dir(subject)) if subject in replays_of(workspace) else None
    if strategy is not None:
        content = join([strategy_headline(strategy.record), strategy_sections(strategy)])
        return page(Heading("Search on a benchmark", subject, strategy_lede(strategy.record)), content)
    if subject in supernets_of(workspace):
        supernet = read_supernet(workspace, subject, folder)
        return page(Heading("Supernet", subject, supernet_lede(supernet)), supernet_sections(supernet))
    if subject in quantizations_of(workspace):
        result = read_quantization(workspace.search_dir(subject))
        return page(Heading("Quantization", subject, quantization_lede(result)), quantization_sections(result))
    series = series_named(workspace, subject)
    if series is not None:
        content, anchors = series_sections(workspace, series, folder)
        return page(Heading("Series of searches", subject, LEDES["series"].format(name=subject)), content, anchors)
    search = read_search(workspace, subject, folder)
    content = join([search_sections(search), comparison_with_others(workspace, search, folder)])
    name = marked(subject, search.emulated)
    return page(Heading("Search", name, search_lede(search)), content)
