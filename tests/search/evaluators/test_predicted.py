"""Predicted quantities, and measurements where they are unsure."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from latkit.errors import DeviceError, ModelRejected, Unreachable
from latkit.latency_models import LookupModel
from latkit.ops import INPUT, Network, make_op
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.evaluators.measure_unsure import MeasureUnsure
from latkit.search.evaluators.predicted import PredictedEvaluator, activation_peak_bytes
from latkit.search.goals import Goals
from latkit.spaces import load
from latkit.spaces.base import Architecture
from latkit.tables import PeakTable
from tests.builders import CELL, measurements_of
from tests.spaces.conformance import drawn

SPACE = load("proxyless-tiny", resolution=16)


def test_quantities_are_those_of_the_network_and_of_the_target() -> None:
    model = LookupModel().fit(measurements_of(dict.fromkeys(SPACE.ops(), 5000)))
    evaluator = PredictedEvaluator(SPACE, {"board": model})
    for architecture in drawn(SPACE, 5):
        network, (verdict,) = SPACE.decode(architecture), evaluator.judge([architecture])
        assert verdict.is_free
        assert verdict.quantities["macs"] == network.macs
        assert verdict.quantities["parameter_bytes"] == 4 * network.parameters
        assert verdict.quantities["seconds.board"] == pytest.approx(model.predict(network).seconds)
        peak = PeakTable(SPACE).lookup(torch.tensor(architecture))
        assert verdict.quantities["peak_bytes"] == float(peak)


def test_a_target_that_lacks_measurements_is_a_failure() -> None:
    model = LookupModel().fit(measurements_of(dict.fromkeys(SPACE.ops()[:3], 5000)))
    (verdict,) = PredictedEvaluator(SPACE, {"board": model}).judge(drawn(SPACE, 1))
    assert verdict.failure.startswith("board: ")
    assert verdict.is_free


def test_a_branch_is_held_until_its_last_use() -> None:
    conv = make_op("conv", (4, 8, 8), out_channels=4, kernel=1)
    add = make_op("add", (4, 8, 8), (4, 8, 8))
    network = Network((conv, conv, conv, add), "", ((INPUT,), (0,), (1,), (0, 2)))
    assert activation_peak_bytes(network) == 3 * 4 * 64 * 4
    assert activation_peak_bytes(Network((conv, conv))) == 2 * 4 * 64 * 4
    assert activation_peak_bytes(CELL) > 0


class Fixed(Evaluator):
    """A prediction of 1 second, between 0.8 and 1.3."""

    name = "fixed"
    quantities = ("seconds",)

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        return [Verdict({"seconds": 1.0, "seconds.low": 0.8, "seconds.high": 1.3}) for _ in architectures]


@pytest.mark.parametrize(("bound", "calls"), [("seconds<=0.7", 0), ("seconds<=1.2", 1), ("seconds<=1.4", 0)])
def test_only_what_straddles_the_bound_is_measured(bound: str, calls: int) -> None:
    judged: list[tuple[str, Architecture]] = []

    def measure(quantity: str, architecture: Architecture) -> float:
        judged.append((quantity, architecture))
        return 1.25

    (verdict,) = MeasureUnsure(Fixed(), Goals.parse("seconds:min", bound), measure).judge([(0,)])
    assert judged == [("seconds", (0,))] * calls
    assert verdict.quantities["seconds"] == (1.25 if calls else 1.0)
    assert verdict.cost == ({"measurements": 1.0} if calls else {})


class Failing:
    """A measurement that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, quantity: str, architecture: Architecture) -> float:
        raise self.error


def test_a_measurement_that_fails_is_a_failed_verdict_and_a_device_that_is_gone_ends_the_search() -> None:
    goals = Goals.parse("seconds:min", "seconds<=1.2")
    (verdict,) = MeasureUnsure(Fixed(), goals, Failing(ModelRejected("no such op"))).judge([(0,)])
    assert (verdict.failure, verdict.is_free) == ("seconds: no such op", False)
    gone = MeasureUnsure(Fixed(), goals, Failing(Unreachable("the cable is out")))
    with pytest.raises(DeviceError, match="can be resumed later: the cable is out"):
        gone.judge([(0,)])
