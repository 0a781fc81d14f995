"""`latkit specialize`: from a trained supernet and tables of made-up latencies to files and a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latkit.evaluation.cross_evaluation import Entry
from latkit.evaluation.cross_table import Cell, CrossTable
from latkit.latency_models import LookupModel
from latkit.layout import MEASURED_FILE
from latkit.ops import Network, Op
from latkit.search import load_data
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.subnets.specialize import RESULT_FILE, Specialized
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.once_for_all.training.run import train_supernet
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.tables import ElasticTable
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.builders import TARGET, measurements_of
from tests.conftest import Run
from tests.search.conftest import save_stripes

STAGES = (Stage(8, 1, (1, 2), (3, 5), (2, 3)), Stage(8, 2, (1, 2), (3, 5), (2, 3)))
SPACE = ElasticSpace("mini", (6, 8), Fixed(8, 2), STAGES, Head(16), channels=1, classes=2)
SETTINGS = SupernetSettings.quick(epochs=1, batch_size=16, crop_padding=1, random_subnets=1, calibration_images=32)
LACKING, OTHER = f"{TARGET.device}/{TARGET.runtime}-t2", f"{TARGET.device}/{TARGET.runtime}-t4"
Specialize = Callable[..., tuple[int, Any, str]]


def made_model(ops: Sequence[Op]) -> LookupModel:
    return LookupModel().fit(measurements_of({op: 1000 * op.macs + 5000 for op in ops}))


def latencies_of_random() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of random sub-networks, in ms."""
    table = ElasticTable.of_model(SPACE, made_model(SPACE.ops()))
    return 1e3 * table.lookup(table.arrays.draw(20_000, np.random.default_rng(1)))


def spread_of_random() -> list[float]:
    """One and two thirds of the way from the 10 % to the 80 % quantile of random sub-networks, in ms."""
    low, high = np.quantile(latencies_of_random(), (0.1, 0.8))
    return [float(low + share * (high - low)) for share in (1 / 3, 2 / 3)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a supernet, and a target whose latencies are thousands of MACs in place of nanoseconds."""
    root = tmp_path_factory.mktemp("workspace")
    workspace = Workspace.init(root)
    save_stripes(root / "stripes.npz")
    data = load_data(str(root / "stripes.npz"), 8, 1)
    train_supernet(SupernetProblem(SPACE, data, SETTINGS, "uniform"), workspace.search_dir("base"))
    for target, known in ((str(TARGET), SPACE.ops()), (LACKING, SPACE.ops()[:-3]), (OTHER, SPACE.ops())):
        model = made_model(known)
        path = root / "measurements" / str(Target.parse(target)) / "model-lookup.json"
        path.parent.mkdir(parents=True)
        model.save(path)
    return root


@pytest.fixture
def specialize(latkit: Run, root: Path) -> Specialize:
    """Runs the command with --json and without measuring."""

    def run(*arguments: object) -> tuple[int, Any, str]:
        code, out, err = latkit("-C", root, "specialize", *arguments, "--no-measure", "--json")
        return code, json.loads(out) if out else None, err

    return run


@pytest.mark.slow
def test_many_latencies_in_one_command_with_a_page(specialize: Specialize, root: Path) -> None:
    given = ("base", TARGET, "--latencies", 2, "--evaluations", 24)
    code, document, err = specialize(*given)
    assert code == 0, err
    assert len(document["targets"]) == 2
    asked = [one["latency_ms"] for one in document["targets"]]
    assert asked == pytest.approx(spread_of_random(), rel=0.02)
    possible = latencies_of_random()
    assert all(np.isclose(possible, one, rtol=1e-9).any() for one in asked), "none is in a gap of the space"
    assert all(0.98 * one["latency_ms"] <= one["predicted_ms"] <= one["latency_ms"] for one in document["targets"])
    assert all(Path(path).exists() for one in document["targets"] for path in one["files"].values())
    assert document["predictor"]["kind"] in ("ridge", "mlp")
    page = Path(document["report"]).read_text()
    for heading in ("Accuracy against latency", "Layers", "Predicted against measured", "not measured"):
        assert heading in page
    evaluated = (root / "search" / "base" / "evaluated.jsonl").read_text()
    code, again, _ = specialize(*given)
    assert again["targets"] == document["targets"]
    assert (root / "search" / "base" / "evaluated.jsonl").read_text() == evaluated


@pytest.mark.slow
def test_another_search_replaces_what_was_found_and_all_that_was_measured_of_it(
    specialize: Specialize, root: Path
) -> None:
    given = ("base", TARGET, OTHER, "--latencies", 1, "--evaluations", 24)
    _, document, _ = specialize(*given)
    places = [Path(one["files"]["weights"]).parent for one in document["targets"]]
    for name in (MEASURED_FILE, "network-quantized.onnx"):
        (places[0] / name).write_text("of another network")
    (places[0] / ".network-0123456789abcdef.onnx").write_text("half of a fi")
    (places[0] / ".write-a1b2c3d_").mkdir()
    code, _, err = specialize(*given, "--seed", 1)
    assert code == 0, err
    assert not (places[0] / MEASURED_FILE).exists()
    assert not (places[0] / "network-quantized.onnx").exists()
    assert not list(places[0].glob(".*"))
    assert [load_record(Specialized, place / RESULT_FILE).search.seed for place in places] == [1, 1]  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_measured_cross_table_is_shown_of_the_networks_that_are_still_there(
    specialize: Specialize, root: Path, latkit: Run, tmp_path: Path
) -> None:
    _, document, _ = specialize("base", TARGET, OTHER, "--latencies", 1, "--evaluations", 24)
    places = [Path(one["files"]["weights"]).parent for one in document["targets"]]
    table = cross_table(places)
    replaced = table.rows[0].model_copy(update={"key": "another"})
    for rows, expected in ((table.rows, [True, True]), ((replaced, table.rows[1]), [False, True])):
        table.model_copy(update={"rows": rows}).save(root / "search" / "base")
        assert latkit("-C", root, "report", "base", "-o", tmp_path / "page.html")[0] == 0
        page = (tmp_path / "page.html").read_text().partition("Every network on every target")[2]
        measured = page.partition("Most were not measured")[0]
        assert [place.name in measured for place in places] == expected
        assert all(expected) or "Most were not measured" in page


def cross_table(places: Sequence[Path]) -> CrossTable:
    """Of the networks in these folders, all of the same made-up latency."""
    targets = (str(TARGET), str(Target.parse(OTHER)))
    rows = tuple(
        Entry(place.name, "derived", Network.load(place / FILES["architecture"]), target).row(
            dict.fromkeys(targets, Cell(first_ms=1, second_ms=1))
        )
        for place, target in zip(places, targets, strict=True)
    )
    return CrossTable(name="base", targets=targets, rows=rows)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("base", TARGET, "--latency-ms", 1e9), "ms, the sub-networks of space mini on board/onnxruntime"),
        (("base", TARGET), "expected a latency, such as --latency-ms 5, or --latencies N, but found none"),
        (("base", TARGET, "--latencies", 1, "--strategy", "no-such"), "unknown strategy 'no-such'"),
        (("base", TARGET, "--latencies", 1, "--strategy", "random", "--strategy-set", "a=1"), "unknown setting a"),
        (("base", TARGET, "--latencies", 1, "--strategy-set", "population=1"), "expected a strategy"),
        (("base", TARGET, "--latencies", 1, "--evaluations", 10**21), "evaluations"),
        (("base", LACKING, "--latencies", 1), "lacks 3 of the "),
        (("base", "nothing/tflite", "--latencies", 1), "nothing"),
        (("none", TARGET, "--latencies", 1), "expected a trained supernet, but found none"),
        (("base", TARGET, "--latencies", 1, "--latency-ms", "nan"), "0"),
        (("base", TARGET, "--latency-ms", 0), "invalid value for '--latency-ms': Input should be greater than"),
    ],
)
def test_what_cannot_work_is_one_line(specialize: Specialize, arguments: tuple[object, ...], expected: str) -> None:
    code, document, err = specialize(*arguments)
    assert code in (1, 2)
    assert document is None
    assert expected in err.replace("\n", " ")
    assert "Traceback" not in err


def test_every_missing_op_is_named_with_the_commands_that_measure_them(specialize: Specialize, root: Path) -> None:
    _, _, err = specialize("base", LACKING, "--latencies", 1)
    assert all(op.title in err for op in SPACE.ops()[-3:])
    space = root / "search" / "base" / "space.json"
    assert f"latkit collect space {LACKING}-fp32-b1 --space {space}; then: latkit fit" in err


@pytest.mark.slow
def test_a_strategy_finds_a_network(specialize: Specialize) -> None:
    code, document, err = specialize("base", TARGET, "--latencies", 1, "--strategy", "evolution", "--evaluations", 20)
    assert code == 0, err
    assert document["predictor"] is None
    assert document["targets"][0]["strategy"] == "evolution"


def test_the_page_of_the_workspace_names_the_supernet(latkit: Run, root: Path, tmp_path: Path) -> None:
    code, _, err = latkit("-C", root, "report", "-o", tmp_path / "page.html")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    assert "Supernets" in page
    assert "uniform" in page
    code, _, err = latkit("-C", root, "report", "nothing", "-o", tmp_path / "page.html")
    assert (code, "known searches: base" in err) == (2, True)
