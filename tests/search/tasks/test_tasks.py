"""Tasks: classification, and a task whose targets have pixels, by the same feeder."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from latkit.errors import UsageError
from latkit.search import DataSplit, SearchSettings
from latkit.search.data import ArrayImages, Feed, Feeder
from latkit.search.records.problem import Problem
from latkit.search.tasks import TASKS, Augmentation, Transform
from latkit.search.tasks.classification import CLASSIFICATION, Classification
from latkit.spaces import Space
from tests.search.conftest import Tables

CPU = torch.device("cpu")


class Repaint(Classification):
    """Targets are the images themselves, so what happens to one must happen to the other."""

    name = "repaint"

    def targets(self, labels: Tensor) -> Tensor:
        return labels.float()

    def augment(self, images: Tensor, targets: Tensor, transform: Transform) -> tuple[Tensor, Tensor]:
        return transform(images), transform(targets, fill=255)


def test_images_and_targets_are_augmented_together(stripes_data: DataSplit) -> None:
    images = stripes_data.train.fetch(torch.arange(12))
    data = dataclasses.replace(stripes_data, train=ArrayImages(images, images))
    feed = Feed(Repaint(), 6, 0, Augmentation(padding=2, flip=True))
    pixels, targets = next(Feeder(data, data.train, torch.arange(12), feed, CPU).stream())
    mean, std = torch.tensor(data.mean).view(1, -1, 1, 1) * 255, torch.tensor(data.std).view(1, -1, 1, 1) * 255
    shown = pixels * std + mean
    padded = targets == 255
    assert 0 < int(padded.sum()) < padded.numel() / 2
    torch.testing.assert_close(shown[~padded], targets[~padded], rtol=0, atol=1e-3)
    torch.testing.assert_close(shown[padded], torch.zeros_like(shown[padded]), rtol=0, atol=1e-3)


def test_the_accuracy_is_the_share_of_labels_found() -> None:
    outputs, labels = torch.eye(4), torch.tensor([0, 1, 2, 0])
    metric = CLASSIFICATION.metric
    assert metric.value(metric.counts(outputs, labels), 4) == 0.75
    assert float(CLASSIFICATION.reward(outputs, labels)) == 0.75
    assert CLASSIFICATION.agreement(outputs, outputs[[0, 1, 3, 2]]) == 0.5
    assert metric.format(0.9137) == "91.4 %"
    assert metric.rank(0.9) > metric.rank(0.8)


def test_an_unknown_task_lists_the_known_ones(mini_space: Space, stripes_data: DataSplit, table_of: Tables) -> None:
    settings = SearchSettings(task="divination")
    problem = Problem(mini_space, table_of(mini_space), stripes_data, 1e-3, settings)
    with pytest.raises(UsageError, match="unknown task 'divination'; known tasks: classification"):
        _ = problem.task


def test_recipes_of_other_tasks_differ_and_those_of_earlier_versions_do_not(
    mini_space: Space, stripes_data: DataSplit, table_of: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS._loaded, "repaint", Repaint())
    given = mini_space, table_of(mini_space), stripes_data, 1e-3
    usual, other = (Problem(*given, SearchSettings(task=task)).recipe() for task in ("classification", "repaint"))
    assert "settings.task" not in usual.consequential(versions=True)
    assert usual.difference(other) == ("settings.task", None, "repaint")
    assert usual.identity != other.identity


def test_the_metric_of_a_task_needs_no_torch() -> None:
    code = (
        "from latkit.search.tasks import TASKS; print(TASKS.get('classification').metric.title, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", f"import sys; {code}"], capture_output=True, text=True, check=True)
    assert found.stdout == "accuracy False\n"
