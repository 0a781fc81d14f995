"""Base of all latency models: fit on measurements, predict ops and networks in seconds with an interval."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from latkit.errors import NotMeasured, UsageError
from latkit.latency_models.calibration import Calibration, fit_calibration
from latkit.latency_models.conformal import around
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, Environment, Estimate, Measurement, estimate, reference_seconds


@dataclass(frozen=True, slots=True)
class Origin:
    """Source of a fitted model."""

    target: Target
    environment: Environment
    estimator: str
    reference_s: float
    """The baseline: the reference's latency on the idle device, which turns ratios into seconds."""
    network_keys: frozenset[str]
    """Keys of the networks used for calibration: a validation must not use them."""
    imported: str = ""
    """Source of latencies that were not measured here: a file and its hash; empty for measured ones."""


class LatencyModel(ABC):
    """Additive latency model of one target: the sum of its ops' costs, calibrated on whole networks.

    Learned names end in an underscore and exist after `fit`.
    """

    kind: ClassVar[str]
    learns: ClassVar[bool] = False
    """Whether it predicts an op from others, so that every measured op improves it."""
    origin_: Origin
    calibration_: Calibration

    @abstractmethod
    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        """Learn from ops' latencies without the runtime's fixed cost."""

    @abstractmethod
    def op_estimate(self, op: Op) -> Estimate:
        """Latency of one op measured alone, without the runtime's fixed cost. Raises NotMeasured."""

    def fit(self, measurements: Sequence[Measurement], estimator: str = DEFAULT_ESTIMATOR) -> Self:
        """Fit on measurements of ops, including `OVERHEAD_PROBE`, and of a few networks (may be none).

        All must be of one target and environment. Raises MeasurementConflict, NotMeasured, or UsageError.
        """
        target, environment = common_origin(measurements)
        reference_s = reference_seconds(measurements)
        latencies = {m.workload: estimate(m, reference_s, estimator) for m in measurements}
        if OVERHEAD_PROBE not in latencies:
            raise NotMeasured(
                f"the fixed cost of {target} was not measured; run: latkit collect {target} --space SPACE"
            )
        fixed_s = latencies[OVERHEAD_PROBE].seconds
        measured = {
            op: _subtract_fixed_cost(latency, fixed_s)
            for op, latency in latencies.items()
            if isinstance(op, Op) and op != OVERHEAD_PROBE
        }
        self._fit_ops(measured)
        networks = [workload for workload in latencies if isinstance(workload, Network) and self._covers(workload)]
        self.origin_ = Origin(
            target, environment, estimator, reference_s, frozenset(network.key for network in networks)
        )
        sums = [self._op_sum(network) for network in networks]
        self.calibration_ = fit_calibration(sums, [latencies[network].seconds for network in networks], fixed_s)
        return self

    def seconds_of(self, measurement: Measurement) -> float:
        """The latency of a measurement by the model's own baseline and estimator, in seconds."""
        return estimate(measurement, self.origin_.reference_s, self.origin_.estimator).seconds

    def _covers(self, network: Network) -> bool:
        """Whether every op of the network can be predicted, so that it can be used for calibration."""
        try:
            self._op_sum(network)
        except NotMeasured:
            return False
        return True

    def _op_sum(self, network: Network) -> float:
        return sum(self.op_estimate(op).seconds for op in network.ops if not op.is_identity)

    def predict(self, workload: Op | Network) -> Estimate:
        """Latency of a network, or of a single op, in seconds with a 90 % interval, if one is known.

        Raises NotMeasured.
        """
        if isinstance(workload, Op):
            fixed_s = self.calibration_.base_s
            return self.op_estimate(workload).map(lambda seconds: seconds + fixed_s)
        ops = [self.op_estimate(op) for op in workload.ops if not op.is_identity]
        seconds = self.calibration_.seconds(sum(op.seconds for op in ops))
        half_width = self.calibration_.relative_half_width
        if half_width is not None:
            return around(seconds, math.log1p(half_width))
        # The error of op sums is unknown here: use the ops' own intervals, as if all their errors were equal.
        intervals = [op.interval for op in ops if op.interval is not None]
        if len(intervals) < len(ops):
            return Estimate(seconds, None, None)
        low_s = self.calibration_.seconds(sum(low for low, _ in intervals))
        return Estimate(seconds, low_s, self.calibration_.seconds(sum(high for _, high in intervals)))

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        """Contribution of each op to a network's latency, in seconds. Raises NotMeasured."""
        return [self.calibration_.scale * self.op_estimate(op).seconds for op in ops]

    def base_seconds(self) -> float:
        """The part of a network's latency that does not depend on its ops, in seconds."""
        return self.calibration_.base_s


def _subtract_fixed_cost(latency: Estimate, fixed_s: float) -> Estimate:
    """A latency minus the fixed cost, but at least a thousandth of it, since an op that runs takes time."""
    minimum = latency.seconds / 1000
    return latency.map(lambda seconds: max(seconds - fixed_s, minimum))


def common_origin(measurements: Sequence[Measurement]) -> tuple[Target, Environment]:
    """The target and environment of all the measurements. Raises NotMeasured, UsageError, or MeasurementConflict."""
    if not measurements:
        raise NotMeasured("nothing was measured yet; run latkit collect first")
    first = measurements[0]
    for other in measurements[1:]:
        if other.target != first.target:
            raise UsageError(f"expected measurements of one target, but found {first.target} and {other.target}")
        first.environment.check_same(other.environment)
    return first.target, first.environment
