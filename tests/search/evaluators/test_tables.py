"""The published tables: read from files of their formats, and refused where something is missing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latkit.errors import BadFile, UsageError
from latkit.search.evaluators import EVALUATORS
from latkit.search.evaluators.tables.accel_nasbench import FILE as ACCEL
from latkit.search.evaluators.tables.accel_nasbench import load_accel_nasbench
from latkit.search.evaluators.tables.darts_sample import FILE as DARTS
from latkit.search.evaluators.tables.darts_sample import PREFIX, PROXIES, load_darts_sample
from latkit.search.evaluators.tables.nasbench101 import FIVE, SAMPLE, load_five_vertices, load_pool
from latkit.search.evaluators.tables.nasbench201 import (
    COSTS,
    FULL,
    LATENCY,
    SHORT,
    TEST,
    VALIDATION,
    load_nasbench201,
)
from latkit.search.evaluators.tables.nasbench_macro import FILE as MACRO
from latkit.search.evaluators.tables.nasbench_macro import load_nasbench_macro
from latkit.spaces import load_saved
from latkit.spaces.cells.edge_cell import EdgeCellSpace
from latkit.spaces.cells.vertex_cell import VertexCellSpace
from tests.spaces.conformance import drawn

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
SPACE = EdgeCellSpace()
EVERY = [SPACE.write(one) for one in itertools.product(range(5), repeat=6)]
NUMBERS = np.arange(len(EVERY), dtype=np.float32)


def write201(folder: Path, **changes: Mapping[str, Any]) -> Path:
    """Tables with the row's number in every column, in reverse order."""
    contents: dict[str, dict[str, Any]] = {
        SHORT: dict.fromkeys(VALIDATION.values(), NUMBERS),
        FULL: dict.fromkeys([*TEST.values(), *COSTS.values()], NUMBERS),
        LATENCY: {"phone": NUMBERS},
    }
    for file, columns in contents.items():
        arrays = {"arch": np.array(EVERY), **columns, **changes.get(file.split("_")[1].split(".")[0], {})}
        np.savez(folder / file, **{name: values[::-1] for name, values in arrays.items()})
    return folder


def write101(path: Path, **changes: Any) -> None:
    space = VertexCellSpace()
    matrices, ops = np.zeros((3, 7, 7), np.uint8), np.full((3, 5), -1, np.int8)
    for row in range(3):
        for vertex in range(row + 1):
            matrices[row, vertex, vertex + 1] = 1
        ops[row, :row] = row
    cells = [space.encode(matrices[row, : row + 2, : row + 2].tolist(), ops[row].tolist()) for row in range(3)]
    accuracies = np.array([[0.1, 0.2, 0.3, 0.4]] * 3, np.float32) + np.arange(3, dtype=np.float32)[:, None] / 10
    arrays = {
        "key": np.array([space.hash(one) for one in cells]),
        "vertices": np.array([2, 3, 4], np.uint8),
        "adjacency": matrices,
        "ops": ops,
        "val_accuracy": accuracies,
        "epochs": np.array([4, 12, 36, 108]),
        "parameters": np.array([1, 2, 3]),
    }
    np.savez(path, **{**arrays, **changes})


def test_rows_are_found_by_architecture_in_any_order(tmp_path: Path) -> None:
    space, evaluator = load_nasbench201(write201(tmp_path))
    architecture = space.read(EVERY[1234])
    (verdict,) = evaluator.judge([architecture])
    assert verdict.quantities["accuracy"] == 1234
    assert verdict.quantities["macs"] == pytest.approx(1234e6)
    assert verdict.quantities["seconds.phone"] == pytest.approx(1.234)
    assert verdict.cost == {"evaluations": 1, "epochs": 12}
    assert evaluator.test_quantities(architecture)["test_accuracy"] == 1234
    assert not any("test" in name for name in evaluator.quantities)


@pytest.mark.slow
def test_the_name_follows_from_the_content(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first = load_nasbench201(write201(tmp_path / "a"))[1].name
    assert load_nasbench201(write201(tmp_path / "b"))[1].name == first
    assert load_nasbench201(write201(tmp_path / "c", latency={"other": NUMBERS}))[1].name != first


def test_a_missing_file_a_missing_row_and_a_missing_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"expected nasbench201_accuracy\.npz in the folder of the data, but found none"
    ):
        load_nasbench201(tmp_path)
    twice = np.array([EVERY[1], *EVERY[1:]])
    write201(tmp_path, accuracy={"arch": twice})
    with pytest.raises(BadFile, match=r"expected all 15625 architectures, but found 15624; \|none~0\|.* is missing"):
        load_nasbench201(tmp_path)
    gap = NUMBERS.copy()
    gap[7] = np.nan
    write201(tmp_path, latency={"phone": gap})
    with pytest.raises(BadFile, match="expected a finite number in every row of phone, but found 1 rows without"):
        load_nasbench201(tmp_path)


def test_files_of_other_content_are_refused(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"arch": np.arange(len(EVERY))}, "architectures as text"),
        ({"arch": np.array(["|none~0|"] * len(EVERY))}, "an architecture in row 0"),
        ({"cifar10_val_12epochs": np.array(["x"] * len(EVERY))}, "expected numbers in cifar10_val_12epochs"),
        ({"cifar10_val_12epochs": NUMBERS[:5]}, "rows in every array"),
        ({"cifar10_val_12epochs": np.array([None] * len(EVERY))}, "Object arrays cannot be loaded"),
    ]
    for changes, found in wrong:
        write201(tmp_path, accuracy=changes)
        with pytest.raises(BadFile, match=found):
            load_nasbench201(tmp_path)
    (tmp_path / SHORT).write_bytes(b"no archive")
    with pytest.raises(BadFile, match=SHORT):
        load_nasbench201(tmp_path)


def test_a_sample_is_a_pool(tmp_path: Path) -> None:
    write101(tmp_path / SAMPLE)
    space, evaluator = load_pool(tmp_path)
    assert space.size == 3
    assert evaluator.efforts == (4, 12, 36, 108)
    verdicts = evaluator.judge(space.members)
    assert [one.quantities["accuracy"] for one in verdicts] == pytest.approx([40, 50, 60])
    assert set(space.neighbors(space.members[0])) == set(space.members[1:])
    with pytest.raises(UsageError, match="pool nasbench101-sample: expected a member"):
        space.check(VertexCellSpace().encode(((0, 1, 1), (0, 0, 1), (0, 0, 0)), (0,)))
    space.save(tmp_path / "pool.json")
    again = load_saved(tmp_path / "pool.json")
    assert (again.key, again.size) == (space.key, 3)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"key": np.array(["0" * 32] * 3)}, "expected in row 0 the key of its cell"),
        ({"adjacency": np.ones((3, 7, 7), np.uint8)}, "upper triangular matrix"),
        ({"adjacency": np.zeros((3, 7, 7), np.uint8)}, "expected a cell in row 0"),
        ({"ops": np.full((3, 5), 9, np.int8)}, "a cell in row 1"),
        ({"vertices": np.array([2, 3, 9], np.uint8)}, "of 2 to 7 vertices, but found another one in row 2"),
        ({"val_accuracy": np.full((3, 4), np.nan)}, "expected a finite accuracy in every row"),
        ({"val_accuracy": np.ones((3, 2))}, "expected accuracy of shape"),
    ],
)
def test_a_sample_of_other_cells_is_refused(changes: dict[str, Any], found: str, tmp_path: Path) -> None:
    write101(tmp_path / SAMPLE, **changes)
    with pytest.raises((BadFile, UsageError), match=found):
        load_pool(tmp_path)


def test_all_networks_of_five_vertices_are_needed(tmp_path: Path) -> None:
    names = ("test_accuracy", "energy_kwh", "training_time_s", "predict_time_s")
    write101(tmp_path / FIVE, val_accuracy=np.ones(3), **dict.fromkeys(names, np.ones(3)))
    with pytest.raises(BadFile, match="expected all 2532 networks of up to five vertices, but found 3"):
        load_five_vertices(tmp_path)


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("nasbench201", 85.19),
        ("nasbench-macro", 93.3),
        ("accel-nasbench", 67.05),
        pytest.param("nasbench101", 95.0, marks=pytest.mark.slow),
        ("nasbench101-5v", 77.0),
    ],
)
def test_the_published_files_are_read(name: str, best: float) -> None:
    if not DATA.is_dir():
        pytest.skip(f"needs the published tables, which are not in {DATA}")
    space, evaluator = EVALUATORS.get(name).build(DATA)
    architecture = space.canonical(next(iter(evaluator.table.rows)))  # type: ignore[attr-defined]
    assert not evaluator.judge([architecture])[0].failure
    accuracies = evaluator.table.columns["accuracy"].reshape(len(evaluator.table.rows), -1)[:, -1]  # type: ignore[attr-defined]
    assert best - 1 < accuracies.max() < best + 1


def write_macro(path: Path, **changes: Any) -> None:
    names = ["".join(map(str, one)) for one in itertools.product(range(3), repeat=8)]
    rows = {n: {"test_acc": [90.0, 80.0, 82.0], "params": at, "flops": 2 * at} for at, n in enumerate(names)}
    path.write_text(json.dumps({**rows, **changes}))


def test_of_three_trainings_the_first_chooses(tmp_path: Path) -> None:
    write_macro(tmp_path / MACRO)
    _, evaluator = load_nasbench_macro(tmp_path)
    (verdict,) = evaluator.judge([(0, 0, 0, 0, 0, 0, 1, 2)])
    assert verdict.quantities == {"accuracy": 90.0, "macs": 10.0, "parameters": 5.0}
    assert evaluator.test_quantities((0,) * 8) == {"test_accuracy": 81.0}
    write_macro(tmp_path / MACRO, **{"00000000": {"test_acc": [1.0], "params": 1, "flops": 1}})
    with pytest.raises(BadFile, match="expected 3 scores of network 00000000, but found 1"):
        load_nasbench_macro(tmp_path)
    (tmp_path / MACRO).write_text("{}")
    with pytest.raises(BadFile, match="such as 00000000, but found 0 others"):
        load_nasbench_macro(tmp_path)


def test_networks_of_nasbench_macro_have_its_counts() -> None:
    if not (DATA / MACRO).exists():
        pytest.skip(f"needs {MACRO}, which is not in {DATA}")
    space, evaluator = load_nasbench_macro(DATA)
    for architecture in drawn(space, 50):
        network, (verdict,) = space.decode(architecture), evaluator.judge([architecture])
        counts = {"macs": network.macs, "parameters": network.parameters}
        assert counts == {name: verdict.quantities[name] for name in counts}


def test_networks_of_accel_nasbench_have_its_parameters() -> None:
    if not DATA.is_dir():
        pytest.skip(f"needs the published tables, which are not in {DATA}")
    space, evaluator = load_accel_nasbench(DATA)
    for architecture in drawn(space, 20):
        (verdict,) = evaluator.judge([architecture])
        assert space.decode(architecture).parameters == pytest.approx(verdict.quantities["parameters"], abs=1)


def test_networks_of_the_darts_sample_have_its_counts() -> None:
    """Batch norm's scales and shifts differ, 2 % of the parameters, and the sample counts more than MACs."""
    if not DATA.is_dir():
        pytest.skip(f"needs the published tables, which are not in {DATA}")
    space, evaluator = load_darts_sample(DATA)
    for architecture in drawn(space, 20):
        (verdict,) = evaluator.judge([architecture])
        network = space.decode(architecture)
        assert network.parameters == pytest.approx(1.023 * verdict.quantities["parameters"], rel=0.005)
        assert network.macs == pytest.approx(0.94 * verdict.quantities["macs"], rel=0.05)


def test_cells_of_darts_are_read_once_each_and_proxies_may_be_missing(tmp_path: Path) -> None:
    cell = "[(0, 0), (1, 0), (0, 0), (2, 4), (1, 2), (3, 6), (3, 1), (4, 5)]"
    texts = [f"[{cell}, {cell}]", f"[{cell}, {cell.replace('4, 5', '4, 3')}]", f"[{cell}, {cell}]"]
    numbers = np.array([1.0, np.nan, 3.0], np.float32)
    arrays = {f"{PREFIX}{name}": numbers for name in PROXIES}
    arrays |= {f"{PREFIX}{name}": np.array([1.0, 2.0, 3.0]) for name in ("val_accuracy", "flops", "params")}
    np.savez(tmp_path / DARTS, **{f"{PREFIX}arch": np.array(texts), **arrays})
    space, evaluator = load_darts_sample(tmp_path)
    first, second = evaluator.judge(space.members)
    assert (first.quantities["accuracy"], first.quantities["macs"]) == (1.0, 1e6)
    assert "proxy.snip" in first.quantities
    assert "proxy.snip" not in second.quantities
    for wrong, message in (("[]", "two lists of pairs"), (texts[0].replace("(2, 4)", "(9, 4)"), "two nodes before")):
        np.savez(tmp_path / DARTS, **{f"{PREFIX}arch": np.array([wrong] * 3), **arrays})
        with pytest.raises(BadFile, match=f"row 0.*{message}"):
            load_darts_sample(tmp_path)


def test_accelerators_may_lack_networks_and_other_columns_may_not(tmp_path: Path) -> None:
    blocks = np.ones((3, 7, 4), np.uint8) * np.array([1, 3, 1, 0], np.uint8)
    blocks[1, 0, 0] = 6
    arrays: dict[str, Any] = {
        "architecture": blocks,
        "fields": np.array(["expansion", "kernel", "layers", "squeeze_excite"]),
        **dict.fromkeys(("imagenet_val_top1", "mmacs", "mparams"), np.array([1.0, 2.0, 3.0])),
        "throughput_tpu": np.array([10.0, np.nan, 30.0]),
    }
    np.savez(tmp_path / ACCEL, **arrays)
    space, evaluator = load_accel_nasbench(tmp_path)
    first, second = evaluator.judge(space.members)  # the third row is the first network again
    assert first.quantities == {"accuracy": 1.0, "macs": 1e6, "parameters": 1e6, "images_per_s.tpu": 10.0}
    assert "images_per_s.tpu" not in second.quantities
    np.savez(tmp_path / ACCEL, **{**arrays, "mmacs": np.array([1.0, np.nan, 3.0])})
    with pytest.raises(UsageError, match="expected a finite macs in every row"):
        load_accel_nasbench(tmp_path)
    blocks[0, 0, 0] = 2
    np.savez(tmp_path / ACCEL, **arrays)
    with pytest.raises(BadFile, match=r"row 0.*block1.expansion: expected one of 1, 4, 6, found 2"):
        load_accel_nasbench(tmp_path)
