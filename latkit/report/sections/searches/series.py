"""Several searches on one page: their figures, the cross table, scores against latency, the networks side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from latkit.evaluation.cross_table import CROSS_FILE, CrossTable
from latkit.layout import FittedModels
from latkit.layout.series import Series
from latkit.report.formatting import ABSENT, latency, marked
from latkit.report.html import Anchors, Html, command, join, notice, section, subject, table
from latkit.report.scores import score
from latkit.report.sections.cross_table import cross_section
from latkit.report.sections.searches.architecture_compare import side_by_side
from latkit.report.sections.searches.pareto import pareto_section
from latkit.report.sections.searches.search import search_sections
from latkit.report.sections.searches.search_facts import SearchFacts, read_search, searches_of
from latkit.report.tolerant_loading import each, shown, trouble_notices


def comparison_sections(searches: Sequence[SearchFacts], cross_tables: Sequence[CrossTable], level: int = 2) -> Html:
    """Several searches and their cross tables, read together."""
    parts = [
        section(f"Every network on every target: {one.name}", shown(one.name, partial(cross_section, one)), level=level)
        for one in cross_tables
    ]
    for title, content in (
        (f"{_heading(searches)} against latency", shown("searches", partial(pareto_section, searches, cross_tables))),
        ("The networks side by side", shown("searches", partial(side_by_side, searches))),
    ):
        if content:
            parts.append(section(title, content, level=level))
    return join(parts)


def searches_table(searches: Sequence[SearchFacts]) -> Html:
    """A row for every search."""
    title = " or ".join(dict.fromkeys(known.metric.title for known in searches))
    columns = ("search", "space", "target", "requested", "predicted", "measured", title)
    return table(columns, [_row(known) for known in searches], text_columns=3)


def _heading(searches: Sequence[SearchFacts]) -> str:
    return " or ".join(dict.fromkeys(known.metric.heading for known in searches))


def _row(known: SearchFacts) -> tuple[object, ...]:
    result = known.result
    return (
        marked(known.name, known.emulated),
        known.recipe.space,
        known.target or ABSENT,
        latency(known.recipe.target_latency_s),
        latency(result.predicted_latency_s) if result else "not finished",
        latency(known.measured_s) if known.measured_s else "not measured",
        score(result) if result else ABSENT,
    )


def cross_files(workspace: FittedModels) -> Iterator[Path]:
    """The files of all saved cross tables."""
    yield from sorted((workspace.root / "search").glob(f"*/{CROSS_FILE}"))


def comparison_with_others(workspace: FittedModels, known: SearchFacts, page_folder: Path = Path()) -> Html:
    """Compares a search's network with the others of its cross tables."""
    troubles: list[str] = []
    loaded = each(CrossTable.load, cross_files(workspace), troubles)
    cross_tables = [table for table in loaded if any(row.name == known.name for row in table.rows)]
    named = dict.fromkeys(row.name for table in cross_tables for row in table.rows if row.kind == "derived")
    existing = set(searches_of(workspace))
    names = [name for name in named if name in existing and name != known.name]
    others = each(partial(read_search, workspace, page_folder=page_folder), names, troubles)
    return join([trouble_notices(troubles), comparison_sections([known, *others], cross_tables)])


def series_sections(workspace: FittedModels, series: Series, page_folder: Path = Path()) -> tuple[Html, Anchors]:
    """A page about a series: all of its searches together, then each. Raises BadFile."""
    existing = set(searches_of(workspace))
    names = [member.name for member in series.members]
    searches = [read_search(workspace, name, page_folder) for name in names if name in existing]
    cross_tables = [CrossTable.load(path) for path in cross_files(workspace) if path.parent.name == series.name]
    parts = [
        section(
            "Searches",
            shown("searches", partial(searches_table, searches)),
            *(notice(f"Not begun: {name}") for name in names if name not in existing),
            *([] if cross_tables else [notice("No cross table yet; run: ", command(f"latkit compare {series.name}"))]),
        ),
        comparison_sections(searches, cross_tables),
    ]
    in_full, anchors = searches_in_full(searches)
    return join([*parts, in_full]), anchors


def searches_in_full(searches: Sequence[SearchFacts]) -> tuple[Html, Anchors]:
    """The full section of every search, one after the other."""
    anchors = [(known.name, f"search-{number}") for number, known in enumerate(searches)]
    parts = [
        subject("Search", name, anchor, shown(name, partial(search_sections, known, level=3)))
        for known, (name, anchor) in zip(searches, anchors, strict=True)
    ]
    return join(parts), anchors
