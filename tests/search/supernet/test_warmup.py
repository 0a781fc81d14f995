"""A warm-up that searches share: the same bits as their own, and no other search's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from latkit.errors import BadFile, UsageError
from latkit.search import Problem, SearchSettings, run_search
from latkit.search.data import DataSplit
from latkit.search.supernet.warmup import WARM_UP_FILE
from latkit.spaces import Space
from latkit.tables import LatencyTable
from tests.search.conftest import Tables, brief, middle_s

QUICK = brief(warmup_epochs=2, epochs=2)

LEAN = QUICK.model_copy(update={"checkpointing": True})


@pytest.fixture
def tables(mini_space: Space, table_of: Tables) -> tuple[LatencyTable, LatencyTable]:
    """Two devices: on the second, the first one's cheap ops are expensive, and other latencies are feasible."""
    first = table_of(mini_space)
    reversed_rows = [list(reversed(row)) for row in first.seconds.tolist()]
    return first, LatencyTable.from_seconds(mini_space.name, mini_space.key, reversed_rows, 2e-3)


@pytest.fixture
def donor(
    mini_space: Space, tables: tuple[LatencyTable, LatencyTable], stripes_data: DataSplit, tmp_path: Path
) -> Path:
    """The warm-up that a search of the first table left."""
    run_search(Problem(mini_space, tables[0], stripes_data, middle_s(tables[0]), QUICK), tmp_path / "first")
    return tmp_path / "first" / WARM_UP_FILE


class StopAfterWarmUp:
    """Progress that is interrupted soon after the warm-up."""

    def advance(self, phase: str, done: int, total: int, text: str) -> None:
        assert phase == "search"
        assert text is not None
        if done > total // 2 + 3:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_shared_warm_up_gives_the_same_bits(
    mini_space: Space,
    tables: tuple[LatencyTable, LatencyTable],
    stripes_data: DataSplit,
    donor: Path,
    tmp_path: Path,
) -> None:
    table = tables[1]
    independent, shared, resumed = (tmp_path / variant / "net" for variant in ("alone", "shared", "resumed"))
    expected = run_search(Problem(mini_space, table, stripes_data, middle_s(table), QUICK), independent)
    found = run_search(Problem(mini_space, table, stripes_data, middle_s(table), LEAN), shared, warm_up=donor)
    often = QUICK.model_copy(update={"checkpoint_seconds": 1e-9})
    with pytest.raises(KeyboardInterrupt):
        run_search(
            Problem(mini_space, table, stripes_data, middle_s(table), often), resumed, StopAfterWarmUp(), warm_up=donor
        )
    run_search(Problem(mini_space, table, stripes_data, middle_s(table), QUICK), resumed, resume=True)

    curves = scalars(independent)
    assert [epoch for epoch, _ in curves["search/weight_loss"]] == [1, 2, 3, 4]
    for folder in (shared, resumed):
        assert scalars(folder) == curves
        assert (folder / "history.json").read_text() == (independent / "history.json").read_text()
        assert (folder / "architecture.json").read_text() == (independent / "architecture.json").read_text()
        weights, others = load_file(folder / "weights.safetensors"), load_file(independent / "weights.safetensors")
        assert all(torch.equal(weights[name], others[name]) for name in others)
        notes = json.loads((folder / "result.json").read_text())["notes"]
        assert notes == [*expected.notes, "the warm-up is that of first, its time counted there"]
        assert not (folder / WARM_UP_FILE).exists()
    without = {"seconds": {}, "notes": ()}
    assert found.model_copy(update=without) == expected.model_copy(update=without)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """TensorBoard's data of a search by tag: epochs and values; without its time.

    Two of its files of one second, as those of a resumed search, are read in any order.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if not tag.endswith("/seconds")]
    return {tag: sorted((point.step, point.value) for point in events.Scalars(tag)) for tag in tags}


def test_another_warm_up_is_refused(
    mini_space: Space,
    tables: tuple[LatencyTable, LatencyTable],
    stripes_data: DataSplit,
    donor: Path,
    tmp_path: Path,
) -> None:
    table, folder = tables[1], tmp_path / "second"

    def begin(settings: SearchSettings, path: Path) -> None:
        run_search(
            Problem(mini_space, table, stripes_data, middle_s(table), settings),
            folder,
            resume=folder.exists(),
            warm_up=path,
        )

    with pytest.raises(UsageError, match="whose setting seed is 7, but found 0"):
        begin(QUICK.model_copy(update={"seed": 7}), donor)
    folder = tmp_path / "third"
    with pytest.raises(BadFile, match="a checkpoint of the end of a warm-up"):
        begin(QUICK, donor.with_name("checkpoint.pt"))
