"""Memory by every allocation that torch makes, as the benchmark counts it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmarks.supernet_step import Bench, SearchBench, drawn_pairs, plain_step, with_candidates
from latkit.search import Problem, SearchSettings, load_network, run_search
from latkit.search.data import DataSplit
from latkit.search.supernet.weight_trainer import evaluate
from latkit.spaces import Architecture, Space, load
from latkit.tables import LatencyTable
from tests.search.conftest import brief, middle_s, some_path_s

FIRST: Architecture = (0, 1, 0, 1, 0, 1, 0, 1, 0)
SECOND: Architecture = (1, 0, 1, 0, 1, 0, 1, 0, 1)


@pytest.fixture(scope="module")
def space() -> Space:
    return load("proxyless-tiny", resolution=8, width=0.5)


def bench(**settings: object) -> Bench:
    return Bench(Fabric(accelerator="cpu", devices=1), SearchSettings.make(**settings), 16)


def test_steps_need_as_much_memory_with_two_candidates_as_with_twelve(space: Space) -> None:
    weight, architecture = [], []
    for count in (2, 12):
        search_bench = SearchBench(bench(), with_candidates(space, count))
        weight.append(search_bench.bench.step_bytes(search_bench.weight_step(FIRST), space))
        architecture.append(search_bench.bench.step_bytes(search_bench.architecture_step(FIRST, SECOND), space))
    assert weight[0] == weight[1]
    logits_bytes = 9 * 12 * 8
    assert architecture[1] <= architecture[0] + 20 * logits_bytes  # a handful of tensors of the logits' shape
    assert architecture[1] < weight[1]


def test_a_weight_step_needs_as_much_memory_as_a_plain_step(space: Space) -> None:
    search_bench = SearchBench(bench(), space)
    opened, _ = next(drawn_pairs(space, 1, random.Random(0)))
    plain = search_bench.bench.step_bytes(plain_step(search_bench.plain(opened)), space)
    assert search_bench.bench.step_bytes(search_bench.weight_step(opened), space) == pytest.approx(plain, rel=0.01)


@pytest.mark.slow
def test_checkpointing_saves_memory_in_both_steps_and_in_plain_training(space: Space) -> None:
    plain, saving = SearchBench(bench(), space), SearchBench(bench(checkpointing=True), space)
    for steps in zip(*map(three_steps, (plain, saving)), strict=True):
        full, less = (plain.bench.step_bytes(step, space) for step in steps)
        assert less < 0.7 * full


def three_steps(search_bench: SearchBench) -> list[object]:
    return [
        search_bench.weight_step(FIRST),
        search_bench.architecture_step(FIRST, SECOND),
        plain_step(search_bench.plain(FIRST)),
    ]


def test_no_part_of_a_search_takes_more_images_at_once_than_a_training_batch(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], stripes_data: DataSplit, tmp_path: Path
) -> None:
    """Also with the 32 test images: a user may have set 8 because memory holds no more."""
    sizes: set[int] = set()

    def note(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not torch.jit.is_tracing():
            sizes.add(len(inputs[0]))

    settings, table = brief(training_batch_size=8, evaluation_epochs=1), table_of(mini_space)
    with register_module_forward_pre_hook(note):
        small = run_search(Problem(mini_space, table, stripes_data, middle_s(table), settings), tmp_path / "net")
    assert max(sizes) == 8
    found, fabric = load_network(tmp_path / "net"), Fabric(accelerator="cpu", devices=1)
    for size in (2, 5, 1000):
        other = settings.model_copy(update={"training_batch_size": size})
        assert evaluate(found.layers, stripes_data, stripes_data.test, fabric, other) == small.score


@pytest.mark.slow
def test_memory_saving_options_work_in_a_complete_search(
    mini_space: Space, table_of: Callable[[Space], LatencyTable], stripes_data: DataSplit, tmp_path: Path
) -> None:
    settings = brief(epochs=2, training_epochs=4, precision="bf16-mixed", checkpointing=True)
    table = table_of(mini_space)
    result = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), tmp_path / "net")
    assert result.score > 0.6
