"""Writing the page: one self-contained file that makes no network requests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import latkit
from latkit._io import reading, write_text
from latkit.errors import UsageError
from latkit.layout import FittedModels
from latkit.layout.series import series_named
from latkit.report.figures.figures import plotly_script
from latkit.report.figures.style import CSS
from latkit.report.formatting import marked, moment
from latkit.report.html import Html, element, join
from latkit.report.sections.overview import overview
from latkit.report.sections.search import search_sections
from latkit.report.sections.search_facts import read_search
from latkit.report.sections.series import comparison_with_others, series_sections
from latkit.report.sections.target import target_sections
from latkit.report.sections.target_facts import read_target
from latkit.targets import Target


def write_report(workspace: FittedModels, subject: Target | str | None, path: str | os.PathLike[str]) -> None:
    """Write an HTML page about a target, a search by its name, or (None) the whole workspace.

    Raises UsageError for an unknown name, WriteError for a path that cannot be written, and BadFile if the
    files of that name cannot be read. The page is written atomically.
    """
    place = Path(path)
    if not place.parent.is_dir():
        raise UsageError(f"expected a folder to write {place.name} into, but found none at {place.parent}")
    if place.is_dir():
        raise UsageError(f"expected a file to write the report to, but found the folder {place}")
    with reading(subject or workspace.root, "records that belong together"):
        content = _page_about(workspace, subject)
    write_text(place, content)


def _page_about(workspace: FittedModels, subject: Target | str | None) -> Html:
    if subject is None:
        content, anchors = overview(workspace)
        return page("Workspace", workspace.root.resolve().name, content, anchors)
    if isinstance(subject, Target):
        known = read_target(workspace, subject)
        return page("Target", marked(subject, known.emulated), target_sections(known))
    series = series_named(workspace, subject)
    if series is not None:
        content, anchors = series_sections(workspace, series)
        return page("Series of searches", subject, content, anchors)
    search = read_search(workspace, subject)
    content = join([search_sections(search), comparison_with_others(workspace, search)])
    return page("Search", marked(subject, search.emulated), content)


def page(noun: str, name: str, content: Html, anchors: Sequence[tuple[str, str]] = ()) -> Html:
    """A complete HTML document."""
    now = datetime.now(UTC)
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        # without an icon of its own, a served page makes the browser request one
        Html('<link rel="icon" href="data:,">'),
        element("title", f"{name} – latkit"),
        element("style", Html(CSS)),
        plotly_script(),
    )
    links = element("nav", *(element("a", label, href=f"#{anchor}") for label, anchor in anchors)) if anchors else ""
    body = element(
        "body",
        element(
            "header", element("h1", name), element("p", f"{noun} · {moment(now.timestamp())}"), links, class_="top"
        ),
        element("main", content),
        element(
            "footer", f"Made by latkit {latkit.__version__}, {now:%Y-%m-%d}. Everything shown is in this one file."
        ),
    )
    return join([Html("<!DOCTYPE html>\n"), element("html", head, body, lang="en"), "\n"])
