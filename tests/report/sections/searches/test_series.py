"""A series of searches on a page: the cross table, accuracy against latency, the networks side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from latkit.evaluation.cross_table import Cell, CrossTable
from latkit.report import write_report
from latkit.report.sections.cross_table import cross_section
from latkit.report.sections.searches.architecture_compare import side_by_side
from latkit.report.sections.searches.pareto import pareto_section
from latkit.report.sections.searches.search_facts import read_search
from latkit.workspace import Workspace
from tests.builders import CELL
from tests.report.conftest import HERE, THERE, cell, cross_table_of, row
from tests.spaces.staircase import Staircase


def test_a_page_about_a_series_shows_all_of_it(series: Workspace, tmp_path: Path) -> None:
    write_report(series, "both", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for phrase in (
        "Not begun: third",
        "★ 1.00 ms",
        "mobilenet on there/tflite-t1-fp32-b1: the device is &lt;gone&gt;",
        "Accuracy against latency",
        "The networks side by side",
        "random-1",
        "Search sister",
    ):
        assert phrase in text
    write_report(series, "digits", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Every network on every target: both" in text
    write_report(series, "unfinished", tmp_path / "page.html")
    assert "Every network on every target" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_corrupt_cross_table_is_reported_on_the_overview(series: Workspace, tmp_path: Path) -> None:
    (series.search_dir("both") / "cross.json").write_text("{}")
    write_report(series, None, tmp_path / "page.html")
    assert "cross.json: expected a cross table" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_claims_are_reported_whether_or_not_they_hold() -> None:
    own, other = row("a", HERE, 0.9, cell(2), cell(3)), row("b", THERE, 0.95, cell(1), cell(1))
    first, second = cross_table_of(own, other).claims()
    assert (first.holds, second.holds) == (False, True)
    assert "b, made for there/tflite-t1-fp32-b1, is as accurate there and faster: 1 ms at 95.0 %" in first.statement
    assert "Does not hold" in cross_section(cross_table_of(own, other))
    alike = Cell(first_ms=1.9, second_ms=2.05)  # between its own two measurements: no significant difference
    assert next(cross_table_of(own, row("b", THERE, 0.95, alike, cell(1))).claims()).holds
    assert next(cross_table_of(own).claims()).holds is None
    assert next(cross_table_of(row("a", HERE, 0.9, Cell(reason="gone"), cell(3)), other).claims()).holds is None


def test_the_picture_has_baselines_and_networks_made_for_others(series: Workspace) -> None:
    searches = [read_search(series, name) for name in ("digits", "sister", "unfinished")]
    tables = [CrossTable.load(series.search_dir("both") / "cross.json")]
    page = pareto_section(searches, tables)
    assert page.count("plotly-graph-div") == 2
    for phrase in ("searched for this target", "searched for another target", "random"):
        assert phrase in page
    assert pareto_section(searches[1:], []) == ""


def test_networks_of_one_space_stand_layer_under_layer(series: Workspace) -> None:
    searches = [read_search(series, name) for name in ("digits", "sister")]
    drawn = ElementTree.fromstring(side_by_side(searches).split("</p>")[1])
    blocks = [group.find("rect") for group in drawn.iter("g")]
    lefts = [block.attrib["x"] for block in blocks if block is not None]
    assert lefts[: len(lefts) // 2] == lefts[len(lefts) // 2 :]
    assert len(lefts) == 2 * 6  # three fixed layers and three choices
    assert side_by_side(searches[:1]) == ""


def test_networks_with_branches_stand_level_under_level(series: Workspace) -> None:
    found = read_search(series, "digits")
    searches = [replace(found, network=CELL, space=Staircase(), model=None, table=None) for _ in range(2)]
    drawn = ElementTree.fromstring(side_by_side(searches).split("</p>")[1])
    blocks = [group.find("rect") for group in drawn.iter("g")]
    corners = [(block.attrib["x"], float(block.attrib["y"])) for block in blocks if block is not None]
    assert len(set(corners)) == len(corners) == 2 * len(CELL.ops)
    first, second = corners[: len(CELL.ops)], corners[len(CELL.ops) :]
    assert [x for x, _ in first] == [x for x, _ in second]
    assert max(y for _, y in first) < min(y for _, y in second)
    assert len(drawn.findall(".//path")) == 2 * sum(len(taken) for taken in CELL.inputs)
