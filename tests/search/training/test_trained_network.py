from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latkit.errors import BadFile, UsageError
from latkit.nn import build_module
from latkit.ops import Network
from latkit.search import (
    Problem,
    Recipe,
    SearchResult,
    SearchSettings,
    TrainedNetwork,
    load_data,
    load_network,
    run_search,
)
from latkit.search.data import DataSplit, Normalize
from latkit.search.records.base import load_record
from latkit.search.supernet.bn_calibration import recalibrate
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.search.training import training_phase
from latkit.search.training.distillation import Distillation, check_teacher
from latkit.search.training.runtime_env import fabric_of
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Space
from tests.search.conftest import Tables, brief, some_path_s

CPU = torch.device("cpu")

BRIEF = brief(batch_size=16, training_epochs=3)


def some_network(space: Space) -> Network:
    return space.decode((0, 2))


def some_teacher(space: Space, data: DataSplit, names: tuple[str, ...] | None = None) -> TrainedNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = build_module(some_network(space))
    return TrainedNetwork(some_network(space), module.state_dict(), data.mean, data.std, names or data.class_names)


@pytest.fixture
def found(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> tuple[SearchResult, Path, SearchSettings]:
    """A short search whose training is long enough to learn something."""
    table, settings = table_of(mini_space), BRIEF.model_copy(update={"training_epochs": 8})
    result = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), tmp_path / "found")
    return result, tmp_path / "found", settings


def test_a_found_network_is_loaded_ready_for_use(
    found: tuple[SearchResult, Path, SearchSettings], stripes_data: DataSplit
) -> None:
    result, folder, _ = found
    network = load_network(folder)
    images = stripes_data.test.fetch(torch.arange(len(stripes_data.test.labels)))
    scores = network(images)
    assert float((scores.argmax(1) == stripes_data.test.labels).double().mean()) == result.score
    assert torch.equal(network.train()(images), scores)  # batch norm uses its statistics, whatever is requested
    assert torch.allclose(network(images.float()), scores)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network.class_names == stripes_data.class_names


def test_a_found_network_that_is_broken_is_refused(found: tuple[SearchResult, Path, SearchSettings]) -> None:
    _, folder, _ = found
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(weights[:-10])
    with pytest.raises(BadFile, match=r"weights\.safetensors: expected the weights of a finished search"):
        load_network(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(BadFile, match=r"the folder of a finished search, but found no weights\.safetensors there"):
        load_network(folder)
    with pytest.raises(BadFile, match=r"nowhere: expected the folder of a finished search, but found no recipe\.json"):
        load_network(folder / "nowhere")


def test_weights_of_another_network_are_refused(mini_space: Space, stripes_data: DataSplit) -> None:
    other = build_module(mini_space.decode((1, 4))).state_dict()
    with pytest.raises(UsageError, match=r"expected weights of .*, but found others"):
        TrainedNetwork(some_network(mini_space), other, stripes_data.mean, stripes_data.std, ("a", "b"))
    with pytest.raises(UsageError, match="expected 2 class names, but found 3"):
        some_teacher(mini_space, stripes_data, ("a", "b", "c"))


def test_the_divergence_is_that_of_softened_probabilities() -> None:
    divergence = CLASSIFICATION.distillation_loss
    taught = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 5.0]])
    scores = torch.tensor([[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]], requires_grad=True)
    p, q = (taught / 2).softmax(-1), (scores.detach() / 2).softmax(-1)
    by_hand = 4 * (p * (p / q).log()).sum(-1).mean()
    assert float(divergence(scores, taught, 2.0).detach()) == pytest.approx(float(by_hand), rel=1e-5)
    assert float(divergence(scores, scores, 3.0).detach()) == pytest.approx(0, abs=1e-6)
    # at high temperatures, the gradient of Hinton et al. 2015, equation 4: (z - v) / N after means are taken out
    centered = (scores.detach() - scores.detach().mean(-1, True)) - (taught - taught.mean(-1, True))
    (gradient,) = torch.autograd.grad(divergence(scores, taught, 1e3), scores)
    torch.testing.assert_close(gradient, centered / 3 / 2, rtol=2e-2, atol=1e-3)


def test_the_loss_weighs_labels_and_teacher(mini_space: Space, stripes_data: DataSplit) -> None:
    teacher = some_teacher(mini_space, stripes_data)
    raw, labels = stripes_data.train.fetch(torch.arange(8)), stripes_data.train.labels[:8]
    images = Normalize(stripes_data, CPU)(raw)
    scores = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    settings = BRIEF.model_copy(update={"distillation_weight": 0.3, "distillation_temperature": 2.0})
    before = teacher.facts
    loss = Distillation(teacher, stripes_data, settings, CPU)(images, scores, labels)
    by_labels = F.cross_entropy(scores, labels, label_smoothing=settings.label_smoothing)
    expected = 0.7 * by_labels + 0.3 * CLASSIFICATION.distillation_loss(scores, teacher(raw), 2.0)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert teacher.facts == before


def test_a_teacher_of_other_images_or_classes_is_refused(mini_space: Space, stripes_data: DataSplit) -> None:
    check_teacher(some_teacher(mini_space, stripes_data), stripes_data)
    with pytest.raises(UsageError, match=r"a teacher for images of shape \(3, 16, 16\), but found one for \(1, 8, 8\)"):
        check_teacher(some_teacher(mini_space, stripes_data), load_data("digits", 16))
    with pytest.raises(UsageError, match="a teacher of the 10 classes of data digits, but found one of 2"):
        check_teacher(some_teacher(mini_space, stripes_data), load_data("digits", 8, 1))
    with pytest.raises(UsageError, match="found that class 1 is 'along' to it and '1' there"):
        check_teacher(some_teacher(mini_space, stripes_data, ("0", "along")), stripes_data)


def test_a_search_with_a_teacher_says_so(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder, teacher = table_of(mini_space), tmp_path / "taught", some_teacher(mini_space, stripes_data)
    run_search(Problem(mini_space, table, stripes_data, some_path_s(table), BRIEF, teacher=teacher), folder)
    assert load_record(Recipe, folder / "recipe.json").teacher == teacher.facts
    with pytest.raises(UsageError, match=r"expected teacher\.\w+ to be '[0-9a-f]+' .* but found None"):
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), BRIEF), folder, resume=True)
    independent = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), BRIEF), tmp_path / "taught2")
    assert independent.architecture == load_record(SearchResult, folder / "result.json").architecture
    assert load_network(folder).facts != load_network(tmp_path / "taught2").facts


def trained(space: Space, data: DataSplit, settings: SearchSettings) -> tuple[nn.Module, list[dict[str, float]]]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build_module(some_network(space)).train()
    phase = TrainingPhase(module, data, settings, fabric_of(settings))
    phase.begin(0)
    rows = []
    for step in range(phase.epochs * phase.steps_per_epoch):
        phase.step(step)
        if (step + 1) % phase.steps_per_epoch == 0:
            rows.append(phase.summary(step // phase.steps_per_epoch))
    return phase.finish(), rows


def test_evaluating_the_test_images_changes_nothing(mini_space: Space, stripes_data: DataSplit) -> None:
    averaged = BRIEF.model_copy(update={"ema_decay": 0.9})
    evaluated, rows = trained(mini_space, stripes_data, averaged.model_copy(update={"evaluation_epochs": 2}))
    blind, others = trained(mini_space, stripes_data, averaged.model_copy(update={"evaluation_epochs": 0}))
    assert ["test_accuracy" in row for row in rows] == [False, True, True]
    assert not any("test_accuracy" in row for row in others)
    assert [row["weight_loss"] for row in rows] == [row["weight_loss"] for row in others]
    assert [row["learning_rate"] for row in rows][-1] < BRIEF.training_learning_rate / 10
    for one, other in zip(evaluated.state_dict().values(), blind.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_averaged_weights_have_statistics_of_their_own(
    mini_space: Space, stripes_data: DataSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_phase, "MIN_BATCHES", 0)
    raw, _ = trained(mini_space, stripes_data, BRIEF)
    averaged, _ = trained(mini_space, stripes_data, BRIEF.model_copy(update={"ema_decay": 0.9}))
    stem, own = averaged[0], raw[0]  # type: ignore[index]
    assert not torch.equal(stem[0].weight, own[0].weight)
    images = Normalize(stripes_data, CPU)(stripes_data.train.fetch(torch.arange(len(stripes_data.train.labels))))
    with torch.no_grad():
        features = stem[0](images)
    torch.testing.assert_close(stem[1].running_mean, features.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert float((own[1].running_mean - features.mean((0, 2, 3))).abs().max()) > 1e-3


def test_statistics_are_means_over_training_images(mini_space: Space, stripes_data: DataSplit) -> None:
    module = build_module(some_network(mini_space)).eval()
    norm = module[0][1]  # type: ignore[index]
    recalibrate(module, stripes_data, fabric_of(BRIEF), batch_size=40, seed=0)
    assert int(norm.num_batches_tracked) == 2  # of 96 images; the last 16 make no batch
    assert not module.training
    assert norm.momentum == 0.1
    recalibrate(module, stripes_data, fabric_of(BRIEF), batch_size=96, seed=0)
    images = Normalize(stripes_data, CPU)(stripes_data.train.fetch(torch.arange(96)))
    with torch.no_grad():
        features = module[0][0](images)  # type: ignore[index]
    torch.testing.assert_close(norm.running_var, features.var((0, 2, 3)), rtol=1e-4, atol=1e-6)


def test_inherited_weights_serve_without_training(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table = table_of(mini_space)
    changes = {"inherit_weights": True, "training_epochs": 0, "warmup_epochs": 4, "epochs": 4, "batch_size": 8}
    settings = BRIEF.model_copy(update=changes)
    result = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), tmp_path / "found")
    assert result.score > 0.8
