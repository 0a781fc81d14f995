"""The parts of a page, each from plain values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from latkit.latency_models import LookupModel
from latkit.ops import make_op
from latkit.report.figures.drawing import draw
from latkit.report.figures.profile_figures import block_label
from latkit.report.formatting import composition, count, digits, latency, percent
from latkit.report.html import Html, element, join, table
from latkit.report.sections.searches.layers import Placed, layers, stages
from latkit.report.sections.searches.search_facts import SearchFacts, candidate_names, read_search
from latkit.report.sections.targets.calibration import calibration_curve
from latkit.report.sections.targets.ops import places
from latkit.spaces import proxyless_mobile, proxyless_tiny
from latkit.tables import LatencyTable
from latkit.timing import Estimate
from latkit.workspace import Workspace
from tests.builders import CELL, conv, measurements_of, network_of


def test_escaping() -> None:
    assert element("p", "<&>", class_="a", data_x='"') == '<p class="a" data-x="&quot;">&lt;&amp;&gt;</p>'
    assert join(["<", Html("<br>")], "&") == "&lt;&amp;<br>"
    assert '<td class="word">&lt;b&gt;</td>' in table(("x",), [("<b>",)])


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(1.5, "1.50 s"), (0.01234, "12.3 ms"), (2.881e-4, "288 µs"), (5e-7, "0.500 µs"), (0, "0 µs"), (1234, "1,234 s")],
)
def test_latency(seconds: float, shown: str) -> None:
    assert latency(seconds) == shown


def test_numbers() -> None:
    assert [percent(1.234), percent(-12.34, signed=True), percent(None)] == ["1.23 %", "−12.3 %", "–"]
    assert [count(1, "op"), count(1234, "op")] == ["1 op", "1,234 ops"]
    assert digits(1e-12) == "0.000000000"


def test_places_of_the_imagenet_space() -> None:
    space = proxyless_mobile()
    found = places({op: Estimate(1e-3, 1e-3, 1e-3) for op in space.ops()})
    assert len(found) == 11  # six stages, each with a first block; all but the last with blocks that keep the shape
    assert all(set(place.seconds) == {(k, e) for k in (3, 5, 7) for e in (3, 6)} for place in found)
    assert found[0].title == "16×112×112 → 24, stride 2"


def test_composition() -> None:
    network = proxyless_tiny().decode([0, 6, 5] * 3)
    assert composition(network) == "conv k3e1 | k3e3 k7e6 | k3e3 k7e6 | k3e3 k7e6 | conv | pool | linear"


def drawn(placed: list[Placed]) -> ElementTree.Element:
    return ElementTree.fromstring(draw(placed))


def test_drawing_is_well_formed_and_in_proportion() -> None:
    op = make_op("mbconv", (8, 4, 4), out_channels=8, kernel=5, expansion=3)
    placed = [Placed("one<", op, 1e-3), Placed("two", op, 3e-3), Placed("three", make_op("skip", (8, 4, 4)), 0.0)]
    titles = [title.text for title in drawn(placed).iter("title")]
    assert titles[1] == f"one<: {op.title}; 1.00 ms, 25.0 % of all layers"
    blocks = [group.find("rect") for group in drawn(placed).iter("g")]
    widths = [float(block.attrib["width"]) for block in blocks if block is not None]
    assert widths[1] - widths[2] == pytest.approx(3 * (widths[0] - widths[2]), abs=0.3)
    assert [block.attrib.get("class") for block in blocks if block is not None] == [None, None, "skip"]


def test_drawing_without_images_or_latencies() -> None:
    assert drawn([Placed("", make_op("linear", (4,), out_features=2), None)]).findall(".//rect")


def test_a_network_with_branches_is_drawn_with_a_line_for_every_input() -> None:
    layers = zip(CELL.ops, CELL.inputs, strict=True)
    placed = [Placed("", op, 0.0 if op.is_identity else 1e-3, taken) for op, taken in layers]
    svg = drawn(placed)
    blocks = [group.find("rect") for group in svg.iter("g")]
    assert len({(block.attrib["x"], block.attrib["y"]) for block in blocks if block is not None}) == len(CELL.ops)
    assert len(svg.findall(".//path")) == sum(len(taken) for taken in CELL.inputs)
    texts = [text.text for text in svg.iter("text")]
    assert {"input", "add", "concat", "16×6×6", "skipped"} <= set(texts)
    big = [Placed("", CELL.ops[1], None, (place - 1,)) for place in range(1001)]
    assert "A picture shows up to 1000 ops; this network has 1001." in draw(big)


def test_stages_follow_the_shapes() -> None:
    space = proxyless_tiny()
    placed = [Placed(layer.name, layer.candidates[-1], None) for layer in space.layers]
    assert [[layer.layer.split(".")[0] for layer in row] for row in stages(placed)] == [
        ["stem", "first_block"],
        ["stage1"] * 3,
        ["stage2"] * 3,
        ["stage3"] * 3,
        ["feature_mix", "pool", "classifier"],
    ]


@pytest.fixture
def known(workspace: Workspace) -> SearchFacts:
    return read_search(workspace, "digits")


def of_tiny_space(workspace: Workspace, folder: Path) -> SearchFacts:
    """A search of `proxyless-tiny` as its own records describe it, with a table of known seconds."""
    space, source = proxyless_tiny(resolution=16, width=0.5, channels=1), workspace.root / "search" / "digits"
    copy = Workspace.init(folder)
    made = copy.root / "search" / "built-in"
    made.mkdir()
    recipe = json.loads((source / "recipe.json").read_text())
    recipe |= {"space": space.name, "space_key": space.key, "data": recipe["data"] | {"shape": [1, 16, 16]}}
    (made / "recipe.json").write_text(json.dumps(recipe))
    architecture = [0, 6, 5] * 3
    result = json.loads((source / "result.json").read_text()) | {"architecture": architecture, "space": space.name}
    (made / "result.json").write_text(json.dumps(result))
    space.save(made / "space.json")
    space.decode(architecture).save(made / "architecture.json")
    seconds = [[1e-3 * (i + 1) for i, _ in enumerate(layer.candidates)] for layer in space.choice_layers]
    LatencyTable.from_seconds(space.name, space.key, seconds, 1e-4).save(made / "table.json")
    return read_search(copy, "built-in")


def test_candidates_and_skips_are_named_by_the_space(workspace: Workspace, tmp_path: Path) -> None:
    known = of_tiny_space(workspace, tmp_path)
    assert known.space is not None
    assert known.space.key == known.recipe.space_key
    assert candidate_names(known, [6])[1] == ["k3e3", "k5e3", "k7e3", "k3e6", "k5e6", "k7e6", "skip"]
    placed = layers(known)
    assert [layer.op.kind for layer in placed].count("skip") == 3
    assert {layer.layer: layer.seconds for layer in placed if layer.op.kind == "mbconv"} | {"first_block": None} == {
        "first_block": None,
        **{f"stage{stage}.block1": 1e-3 for stage in (1, 2, 3)},
        **{f"stage{stage}.block3": 6e-3 for stage in (1, 2, 3)},
    }


def test_the_target_is_described_by_its_measurements(known: SearchFacts) -> None:
    assert known.space is not None
    assert str(known.target) == "here/onnxruntime-t1-fp32-b1"
    assert known.model is not None
    assert known.network is not None
    placed = layers(known)
    total_s = sum(layer.seconds or 0.0 for layer in placed) + known.model.base_seconds()
    assert total_s == pytest.approx(known.model.predict(known.network).seconds)


def test_the_curve_of_calibration_shows_every_model_that_has_one() -> None:
    blocks = [network_of(*[conv(8)] * count) for count in range(1, 8)]
    measured = {conv(8): 11_000} | {network: 1000 + 12_000 * len(network.ops) for network in blocks}
    model = LookupModel().fit(measurements_of(measured, fixed_ns=1000))
    assert calibration_curve({"lookup": LookupModel().fit(measurements_of({conv(8): 11_000}))}) == ""
    drawn_curve = calibration_curve({"lookup": model})
    assert "How many networks are worth measuring" in drawn_curve
    assert [point.networks for point in model.calibration_.curve] == [0, 1, 2, 5]
    assert model.calibration_.curve[0].mean_error > 0.1
    assert model.calibration_.curve[-1].mean_error == pytest.approx(0, abs=1e-9)
    both = calibration_curve({"lookup, one space": model, "lookup, another": model})
    assert len(set(re.findall(r'"line":\{"color":"(#\w+)"', both))) == 2


@pytest.mark.parametrize("seconds", [1e18, -1e18, float("nan"), float("inf")])
def test_a_moment_that_is_none_is_unknown(seconds: float) -> None:
    from latkit._io.moments import UNKNOWN_MOMENT, moment, moment_written

    assert moment(seconds) == UNKNOWN_MOMENT
    assert moment_written("2001-99-99") == moment_written("") == UNKNOWN_MOMENT
    assert moment(0) == moment_written("1970-01-01T00:00:00+00:00") == "1970-01-01 00:00 UTC"


def test_the_time_of_a_record_has_microseconds() -> None:
    from datetime import UTC, datetime

    from latkit._io.moments import moment, moment_written, now_written

    written = now_written()
    moment_of_it = datetime.fromisoformat(written)
    assert written == moment_of_it.isoformat(timespec="microseconds")
    assert moment_of_it.utcoffset() == UTC.utcoffset(None)
    assert moment_written(written) == moment(moment_of_it.timestamp())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_absent(value: float) -> None:
    from latkit.report.formatting import ABSENT, digits, latency

    assert digits(value) == ABSENT
    assert latency(value).startswith(ABSENT)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("/2/body/expand/expand.2/Clip_output_0_nchwc", "2/…/expand.2"),
        ("/18/18.2/Clip_output_0", "18/18.2"),
        ("/20/Gemm", "/20/Gemm"),
        ("conv1", "conv1"),
        ("x" * 40, "…" + "x" * 23),
    ],
)
def test_the_label_of_a_block_tells_ops_apart(name: str, label: str) -> None:
    assert block_label(name) == label
