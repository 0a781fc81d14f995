"""Specialization: sub-networks evaluated once, a predictor that is judged on others, networks with their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from latkit.errors import BadFile, UsageError
from latkit.progress import Silent
from latkit.runtimes import get_runtime
from latkit.search import load_data
from latkit.search.data import Normalize
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.subnets.candidates import ByStrategy
from latkit.search.once_for_all.subnets.evaluated import EVALUATED_FILE, Evaluations, Fitted, fit_predictor
from latkit.search.once_for_all.subnets.expected import ExpectedScore
from latkit.search.once_for_all.subnets.score_by_loss import ScoreByLoss
from latkit.search.once_for_all.subnets.score_predictor import PredictorReport, ScorePredictor
from latkit.search.once_for_all.subnets.specialize import SpecializePlan, Specializer, predictions
from latkit.search.once_for_all.trained import TrainedSupernet
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.once_for_all.training.run import train_supernet
from latkit.search.records.result import FILES
from latkit.spaces import Architecture
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.spaces.elastic.arrays import ElasticArrays
from latkit.tables import ElasticTable
from tests.pages import run_python
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
    left = run_python("once-for-all.md", {}, {'"search/base"': repr(str(folder / "base"))})
    assert left["module"](torch.zeros(1, 1, 8, 8)).shape == (1, 2)
    assert left["network"].output_shape == (2,)
    assert isinstance(left["supernet"], TrainedSupernet)
    return left["supernet"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ridge", "mlp"])
def test_a_predictor_ranks_what_it_did_not_see_and_comes_back(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(0)
    features = generator.integers(0, 2, size=(120, 12)).astype(float)
    truth = features @ np.linspace(0, 1, 12) + 0.05 * generator.standard_normal(120)
    predictor = ScorePredictor.fit(features[:80], truth[:80], 0, "key", kind)
    report = predictor.judge(features[80:], truth[80:], 80)
    assert report.kendall is not None
    assert report.kendall > 0.8
    assert report.inside_90 > 0.75
    predictor.save(tmp_path / "predictor.json")
    again = ScorePredictor.load(tmp_path / "predictor.json")
    assert np.array_equal(again.predict(features), predictor.predict(features))
    assert (again.kind, again.half_width) == (kind, predictor.half_width)
    with pytest.raises(UsageError, match="expected at least 8 evaluated sub-networks, but found 3"):
        ScorePredictor.fit(features[:3], truth[:3], 0, "key")


def test_a_predictor_of_the_first_format_is_read(tmp_path: Path) -> None:
    document = {"format": "latkit-accuracy-predictor-1", "weights": [[1.0, 2.0, 0.5], [3.0, 0.0, 0.5]]}
    path = tmp_path / "predictor.json"
    path.write_text(json.dumps({**document, "half_width": 0.25, "space_key": "key"}))
    predictor = ScorePredictor.load(path)
    assert predictor.predict(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == [2.5, 1.5]
    path.write_text(json.dumps({**document, "weights": [1], "half_width": 0.25, "space_key": "key"}))
    with pytest.raises(BadFile, match="a score predictor as JSON"):
        ScorePredictor.load(path)


class Recording(Evaluations):
    """Records the sub-networks that scores by loss were fitted on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.fitted_on: list[list[Architecture]] = []

    def score_by_loss(self, architectures: Sequence[Architecture]) -> ScoreByLoss:
        self.fitted_on.append(list(architectures))
        return super().score_by_loss(architectures)


@pytest.mark.slow
def test_a_sub_network_is_found_with_its_files_and_nothing_is_evaluated_twice(trained, tmp_path: Path) -> None:
    judged = []

    def judge(architecture: tuple[int, ...]) -> tuple[float, float]:
        judged.append(architecture)
        return trained.judge.metric_and_loss(architecture)

    table = ElasticTable(SPACE, lambda _, op: 1e-9 * op.macs)  # MACs in place of seconds
    evaluations = Recording(tmp_path, trained, judge)
    fitted = fit_predictor(trained, evaluations, 24, 0, Silent())
    learned, everything = evaluations.fitted_on[1:]
    assert (len(learned), len(everything)) == (fitted.report.learned, 24)
    assert fitted.report.held_out == len(set(everything) - set(learned))  # they have no part in what judges them
    plan = SpecializePlan(candidates=2, randoms=2, min_share=0.8)
    target = (table.min() + table.max()) / 2
    find = predictions(evaluations, fitted.predictor.predict, plan)
    expected = ExpectedScore(fitted, table.arrays, 100)
    specializer = Specializer(trained, evaluations, find, plan, expected=expected)
    found = specializer.find(table, "here/tflite", target, tmp_path / "one")
    assert 0.8 * target <= found.predicted_s <= target
    assert found.test == pytest.approx(
        trained.judge.score(trained.judge.module(found.architecture), found.architecture, "test")
    )
    assert (tmp_path / "one" / "network.onnx").exists()
    assert {"onnx", "tflite"} == set(found.exports)
    assert max(one.largest_difference for one in found.exports.values()) <= 1e-5
    assert min(one.agreement for one in found.exports.values()) == 1
    assert len(judged) == len(set(judged))
    again = Evaluations(tmp_path, trained, judge)
    assert (again.known, again.losses) == (evaluations.known, evaluations.losses)
    assert set(again.losses) == set(again.known)
    path = tmp_path / EVALUATED_FILE
    path.write_text(path.read_text().replace('"accuracy":', '"loss":', 1))
    with pytest.raises(BadFile, match="no accuracy of sub-network 0"):
        Evaluations(tmp_path, trained, judge)

    by_score = sorted(evaluations.known, key=evaluations.score)
    assert sorted(evaluations.known, key=evaluations.rank) == by_score
    evaluations.metric = copy(evaluations.metric)
    evaluations.metric.larger_is_better = False
    assert sorted(evaluations.known, key=evaluations.rank, reverse=True) == by_score
    assert evaluations.ranked(lambda features: features)(np.ones(1)) == -1

    other = trained.result.model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(BadFile, match="a history of evaluator"):
        Evaluations(tmp_path, TrainedSupernet(SPACE, trained.recipe, other, trained.net, trained.judge), judge)


def test_what_few_images_cannot_tell_apart_is_left_to_the_predictor() -> None:
    arrays = ElasticArrays(SPACE)
    width = arrays.features(np.array([SPACE.smallest])).shape[1]
    predictor = ScorePredictor("ridge", [[(np.zeros((width, 1)), np.array([0.8]))]], 0.1, SPACE.key)

    def expected(mean_error: float, images: int, evaluated: float) -> float:
        report = PredictorReport(learned=8, held_out=2, kendall=None, mean_error=mean_error, inside_90=1.0)
        return ExpectedScore(Fitted(predictor, report), arrays, images)(SPACE.smallest, evaluated)

    assert expected(0.0, 100, 0.9) == 0.8
    assert 0.8 < expected(0.01, 100, 0.9) < 0.83 < expected(0.01, 10_000, 0.9) < 0.9
    assert 0.5 < expected(0.2, 100, 0.5) < 0.52
    assert expected(0.1, 100, 3.0) == 3.0, "no share of the images"


def test_losses_rank_what_scores_of_few_images_cannot() -> None:
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.8, 0.9, 200)
    scores, losses = truth + 0.02 * generator.standard_normal(200), 2 - truth + 0.005 * generator.standard_normal(200)
    smooth = ScoreByLoss.fit(scores.tolist(), losses.tolist())
    found = [smooth(*one) for one in zip(scores, losses, strict=True)]
    assert np.abs(found - truth).mean() < 0.8 * np.abs(scores - truth).mean()
    assert np.mean(found) == pytest.approx(scores.mean())
    unrelated = ScoreByLoss.fit(scores.tolist(), generator.uniform(0, 1, 200).tolist())
    assert unrelated(0.9, 0.5) == pytest.approx(0.9, abs=0.01)
    assert ScoreByLoss.fit(scores.tolist(), [*losses[1:].tolist(), None])(0.7, 0.1) == 0.7, "of an earlier version"
    assert smooth(0.7, None) == 0.7


def test_the_score_of_an_int8_target_is_that_of_the_quantized_file(trained, tmp_path: Path) -> None:
    table = ElasticTable(SPACE, lambda _, op: 1e-9 * op.macs)  # MACs in place of seconds
    evaluations = Evaluations(tmp_path, trained, trained.judge.metric_and_loss)
    find = predictions(evaluations, lambda features: features.sum(axis=1), SpecializePlan(min_share=0.5))
    specializer = Specializer(trained, evaluations, find, SpecializePlan(candidates=1, randoms=0, min_share=0.5))
    found = specializer.find(table, "here/onnxruntime-int8", table.max(), tmp_path)
    judge = trained.judge
    data = judge.images(found.architecture)[0]
    images, run = (
        Normalize(data, torch.device("cpu"))(data.test.images),
        get_runtime("onnxruntime").load(tmp_path / "network-quantized.onnx"),
    )
    scores = torch.cat([run(image[None].contiguous()) for image in images])
    assert found.test == pytest.approx(float((scores.argmax(1) == data.test.labels).double().mean()))
    assert found.fp32_test == judge.score(judge.module(found.architecture), found.architecture, "test")
    assert found.exports["quantized-onnx"].largest_difference > found.exports["onnx"].largest_difference


def test_a_strategy_searches_with_real_weights_and_is_resumed_by_replay(trained, tmp_path: Path) -> None:
    table = ElasticTable(SPACE, lambda _, op: 1e-9 * op.macs)  # MACs in place of seconds
    target = (table.min() + table.max()) / 2
    evaluations = Evaluations(tmp_path, trained, trained.judge.metric_and_loss)
    find = ByStrategy(evaluations, "local-search", budget=6, min_share=0.8)
    found = find(table, target, tmp_path)
    assert 1 <= len(found) <= 6
    assert all(0.8 * target <= one.seconds <= target for one in found)
    assert found == sorted(found, key=lambda one: -one.score)
    assert [one.score for one in found] == [evaluations.score(one.architecture) for one in found]
    lines = next(tmp_path.glob("strategy-*.jsonl")).read_text()
    assert find(table, target, tmp_path) == found
    assert next(tmp_path.glob("strategy-*.jsonl")).read_text() == lines
    with pytest.raises(UsageError, match="unknown strategy 'no-such'"):
        ByStrategy(evaluations, "no-such")(table, target, tmp_path)


def test_a_network_is_finetuned_on_request(trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "latkit.search.once_for_all.subnets.specialize.export", lambda *_: ({}, ())
    )  # the other test exports
    table = ElasticTable(SPACE, lambda _, op: 1e-9 * op.macs)  # MACs in place of seconds
    evaluations = Evaluations(tmp_path, trained, trained.judge.metric_and_loss)
    plan = SpecializePlan(candidates=1, randoms=0, min_share=0.5, finetune_epochs=1)
    find = predictions(evaluations, lambda features: features.sum(axis=1), plan)
    found = Specializer(trained, evaluations, find, plan).find(table, "here/onnxruntime", table.max(), tmp_path / "one")
    weights = load_file(tmp_path / "one" / FILES["weights"])
    inherited = trained.net.subnet(found.architecture).state_dict()
    assert found.inherited_test is not None
    assert any(not torch.equal(weights[name], value) for name, value in inherited.items() if name.endswith("weight"))
    assert found.finetune_epochs == 1
