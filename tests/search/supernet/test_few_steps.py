"""Networks trained for few steps: the reported accuracy is theirs, not that of statistics that lag behind."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from latkit.nn import build_module
from latkit.ops import Network
from latkit.search import Problem, SearchSettings, load_data, load_network, run_search
from latkit.search.baselines import BaselineRequest
from latkit.search.baselines.run import run_baselines
from latkit.search.data import DataSplit, Normalize, subset
from latkit.search.objectives import finalists
from latkit.search.supernet.bn_calibration import MIN_BATCHES, recalibrate, statistics_restored
from latkit.search.supernet.weight_trainer import evaluate
from latkit.search.training import training_phase
from latkit.search.training.runtime_env import fabric_of
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Space, load_space_file
from tests.search.conftest import Interrupt, Tables, brief, some_path_s

FEW = brief(training_epochs=4, training_batch_size=64, evaluation_epochs=1, training_learning_rate=0.1)
"""20 batches of 320 images: running statistics still hold an eighth of their initial values, in every layer."""

DEEP = """
name = "deep"
input_shape = [1, 8, 8]
layers = [
    { name = "stem", candidates = [{ kind = "conv", out_channels = 16 }] },
    { name = "body", repeat = 6, candidates = [{ kind = "mbconv", out_channels = 16, expansion = [2, 3] }] },
    { name = "pool", candidates = [{ kind = "pool" }] },
    { name = "classifier", candidates = [{ kind = "linear", out_features = 10 }] },
]
"""


@pytest.fixture
def deep_space(tmp_path: Path) -> Space:
    (tmp_path / "deep.toml").write_text(DEEP)
    return load_space_file(tmp_path / "deep.toml")


@pytest.fixture
def few_digits() -> DataSplit:
    digits = load_data("digits", 8, 1)
    return dataclasses.replace(digits, train=subset(digits.train, torch.arange(320)))


def fresh(space: Space) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_module(space.decode((0,) * len(space.choices))).train()


def trained(space: Space, data: DataSplit, settings: SearchSettings) -> nn.Module:
    phase = TrainingPhase(fresh(space), data, settings, fabric_of(settings))
    phase.begin(0)
    for step in range(phase.epochs * phase.steps_per_epoch):
        phase.step(step)
    return phase.finish()


def accuracy(module: nn.Module, data: DataSplit) -> float:
    return evaluate(module, data, data.test, fabric_of(FEW), FEW)


@pytest.mark.slow
def test_few_steps_are_judged_by_the_networks_own_statistics(
    deep_space: Space, few_digits: DataSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = accuracy(trained(deep_space, few_digits, FEW), few_digits)
    assert found > 0.6
    monkeypatch.setattr(training_phase, "MIN_BATCHES", 0)
    lagging = trained(deep_space, few_digits, FEW)
    assert accuracy(lagging, few_digits) < 0.3  # what was reported before: hardly more than chance
    recalibrate(lagging, few_digits, fabric_of(FEW), FEW.training_batch_size, FEW.seed)
    assert found == accuracy(lagging, few_digits)


@pytest.mark.slow
def test_many_steps_keep_the_statistics_that_they_have_followed(
    mini_space: Space, stripes_data: DataSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"training_epochs": -(-MIN_BATCHES // 6), "training_batch_size": 16, "evaluation_epochs": 0}
    many = FEW.model_copy(update=changes)
    own = trained(mini_space, stripes_data, many).state_dict()
    monkeypatch.setattr(training_phase, "MIN_BATCHES", 0)
    for name, value in trained(mini_space, stripes_data, many).state_dict().items():
        assert torch.equal(value, own[name])


@pytest.mark.slow
def test_search_baseline_teacher_and_files_have_the_same_statistics(
    deep_space: Space, table_of: Tables, few_digits: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(deep_space), tmp_path / "found"
    problem = Problem(deep_space, table, few_digits, table.total((0, 1) * 3), FEW)
    result = run_search(problem, folder)
    assert result.score > 0.6
    history = json.loads((folder / "history.json").read_text())
    assert history["training"][-1]["test_accuracy"] == result.score

    weights = load_file(folder / "weights.safetensors")
    module = build_module(Network.load(folder / "architecture.json"))
    module.load_state_dict(weights)
    recalibrate(module, few_digits, fabric_of(FEW), FEW.training_batch_size, FEW.seed)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, weights[name])

    labels = few_digits.test.labels
    raw = few_digits.test.fetch(torch.arange(len(labels)))
    images = Normalize(few_digits, torch.device("cpu"))(raw).contiguous()
    session = onnxruntime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    scores = [session.run(None, {session.get_inputs()[0].name: one[None].numpy()})[0][0] for one in images]
    right = [int(row.argmax()) == label for row, label in zip(scores, labels.tolist(), strict=True)]
    assert sum(right) / len(right) == pytest.approx(result.score, abs=0.01)
    assert float((load_network(folder)(raw).argmax(1) == labels).double().mean()) == result.score
    (record,) = run_baselines(problem, folder, [BaselineRequest(kind="random", count=1)]).records
    assert record.score > 0.6


@pytest.mark.slow
def test_finalists_are_judged_alike(
    deep_space: Space, table_of: Tables, few_digits: DataSplit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table, judged = table_of(deep_space), []
    monkeypatch.setattr(
        finalists,
        "evaluate",
        lambda *given: judged.append(evaluate(*given)) or judged[-1],  # type: ignore[func-returns-value]
    )
    settings = FEW.model_copy(update={"finalists": 2, "finalist_epochs": 8})
    run_search(Problem(deep_space, table, few_digits, table.total((0, 1) * 3), settings), tmp_path / "found")
    assert len(judged) == 2
    assert min(judged) > 0.5  # 16 batches of 160 images


def test_an_evaluation_leaves_the_statistics_unchanged(mini_space: Space, stripes_data: DataSplit) -> None:
    module = trained(mini_space, stripes_data, FEW)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with statistics_restored(module):
        recalibrate(module, stripes_data, fabric_of(FEW), batch_size=48, seed=3)
        assert any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("after", [13, 15, 17])
def test_an_interrupted_search_of_few_steps_ends_bit_for_bit(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, after: int
) -> None:
    table = table_of(mini_space)
    uninterrupted, resumed = tmp_path / "whole" / "net", tmp_path / "parts" / "net"
    given = mini_space, table, stripes_data, some_path_s(table)
    run_search(Problem(*given, FEW), uninterrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search(Problem(*given, FEW.model_copy(update={"checkpoint_seconds": 1e-9})), resumed, Interrupt(after))
    run_search(Problem(*given, FEW), resumed, resume=True)
    assert (resumed / "history.json").read_text() == (uninterrupted / "history.json").read_text()
    weights, others = load_file(resumed / "weights.safetensors"), load_file(uninterrupted / "weights.safetensors")
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
