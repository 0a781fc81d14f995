"""Specialization: sub-networks evaluated once, a predictor that is judged on others, networks with their files."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import numpy as np
import pytest

from latkit.errors import BadFile, UsageError
from latkit.progress import Silent
from latkit.search import load_data
from latkit.search.once_for_all.accuracy_predictor import AccuracyPredictor
from latkit.search.once_for_all.evaluated import Evaluations, fit_predictor
from latkit.search.once_for_all.problem import SupernetProblem
from latkit.search.once_for_all.run import train_supernet
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.specialize import SpecializePlan, Specializer
from latkit.search.once_for_all.trained import TrainedSupernet, load_supernet
from latkit.search.records.result import FILES
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.tables import ElasticTable
from tests.search.conftest import save_stripes

STAGES = (Stage(8, 1, (1, 2), (3, 5), (2, 3)), Stage(8, 2, (1, 2), (3, 5), (2, 3)))
SPACE = ElasticSpace("mini", (6, 8), Fixed(8, 2), STAGES, Head(16), channels=1, classes=2)
SETTINGS = SupernetSettings.quick(epochs=1, batch_size=16, crop_padding=1, random_subnets=1, calibration_images=32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedSupernet:
    folder = tmp_path_factory.mktemp("supernet")
    save_stripes(folder / "stripes.npz")
    data = load_data(str(folder / "stripes.npz"), 8, 1)
    train_supernet(SupernetProblem(SPACE, data, SETTINGS, "uniform"), folder / "base", None, False)
    return load_supernet(folder / "base", data)


def test_a_predictor_ranks_what_it_did_not_see_and_comes_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    features = generator.integers(0, 2, size=(120, 12)).astype(float)
    truth = features @ np.linspace(0, 1, 12) + 0.05 * generator.standard_normal(120)
    predictor = AccuracyPredictor.fit(features[:80], truth[:80], 0, "key")
    report = predictor.judge(features[80:], truth[80:], 80)
    assert report.kendall is not None
    assert report.kendall > 0.8
    assert report.inside_90 > 0.75
    predictor.save(tmp_path / "predictor.json")
    again = AccuracyPredictor.load(tmp_path / "predictor.json")
    assert np.array_equal(again.predict(features), predictor.predict(features))
    with pytest.raises(UsageError, match="expected at least 8 evaluated sub-networks, but found 3"):
        AccuracyPredictor.fit(features[:3], truth[:3], 0, "key")


def test_a_sub_network_is_found_with_its_files_and_nothing_is_evaluated_twice(trained, tmp_path: Path) -> None:
    judged = []

    def judge(architecture: tuple[int, ...]) -> float:
        judged.append(architecture)
        return float(trained.judge.validation(architecture))

    table = ElasticTable(SPACE, lambda _, op: 1e-9 * op.macs)  # MACs in place of seconds
    evaluations = Evaluations(tmp_path, trained, judge)
    fitted = fit_predictor(trained, evaluations, 24, 0, Silent())
    plan = SpecializePlan(candidates=2, randoms=2, min_share=0.8)
    target = (table.min() + table.max()) / 2
    found = Specializer(trained, evaluations, fitted.predictor.predict, plan).find(table, "t", target, tmp_path / "one")
    assert 0.8 * target <= found.predicted_s <= target
    assert found.test == pytest.approx(
        trained.judge.score(trained.judge.module(found.architecture), found.architecture, "test")
    )
    assert (tmp_path / "one" / FILES["onnx"]).exists()
    assert found.exports["onnx"].agreement == 1
    assert len(judged) == len(set(judged))
    assert Evaluations(tmp_path, trained, judge).known == evaluations.known

    by_score = sorted(evaluations.known, key=evaluations.score)
    assert sorted(evaluations.known, key=evaluations.rank) == by_score
    evaluations.metric = copy(evaluations.metric)
    evaluations.metric.larger_is_better = False
    assert sorted(evaluations.known, key=evaluations.rank, reverse=True) == by_score
    assert evaluations.ranked(lambda features: features)(np.ones(1)) == -1

    other = trained.result.model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(BadFile, match="a history of evaluator"):
        Evaluations(tmp_path, TrainedSupernet(SPACE, trained.recipe, other, trained.net, trained.judge), judge)
