"""Models fitted on ops measured alone, and calibrated on whole networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from latkit.errors import NotMeasured
from latkit.latency_models.additive import AdditiveModel, timed_ops
from latkit.latency_models.base import Origin, common_origin
from latkit.latency_models.calibration.model import fit_calibration
from latkit.latency_models.calibration.terms import NetworkParts
from latkit.latency_models.pair_terms import fit_pairs
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.timing import DEFAULT_ESTIMATOR, Estimate, Measurement, Workload, estimate, reference_seconds


class OpModel(AdditiveModel):
    """Learns from the latencies of ops measured alone. A kind says how: `_fit_ops` and `op_estimate`.

    `latkit fit` fits every registered kind that derives from this class.
    """

    title = "a latency model fitted on ops"

    @abstractmethod
    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        """Learn from ops' latencies without the runtime's fixed cost."""

    def fit(self, measurements: Sequence[Measurement], estimator: str = DEFAULT_ESTIMATOR) -> Self:
        """Fit on measurements of ops, including `OVERHEAD_PROBE`, and of a few networks (may be none).

        All must be of one target and environment. Raises MeasurementConflict, NotMeasured, or UsageError.
        """
        target, environment = common_origin(measurements)
        reference_s = reference_seconds(measurements)
        pairs = {m.workload: m for m in measurements if m.role == "pair" and isinstance(m.workload, Network)}
        single = [m for m in measurements if m.role != "pair" and not m.repetition]
        latencies = {m.workload: estimate(m, reference_s, estimator) for m in single}
        if OVERHEAD_PROBE not in latencies:
            raise NotMeasured(
                f"the fixed cost of {target} was not measured; run: latkit collect space {target} --space SPACE"
            )
        fixed_s = latencies[OVERHEAD_PROBE].seconds
        measured = {
            op: _subtract_fixed_cost(latency, fixed_s)
            for op, latency in latencies.items()
            if isinstance(op, Op) and op != OVERHEAD_PROBE
        }
        self.precision_ = target.precision
        self._fit_ops(measured)
        pair_s = {network: estimate(one, reference_s, estimator).seconds for network, one in pairs.items()}
        self.pairs_ = fit_pairs(pair_s, lambda op: self.op_estimate(op).seconds, fixed_s)
        found = [workload for workload in latencies if isinstance(workload, Network)]
        networks = [network for network in found if self._covers(network)]
        keys = frozenset(network.key for network in networks)
        self.origin_ = Origin(target, environment, estimator, reference_s, keys)
        times = [
            [latencies[network].seconds for network in networks],
            *(
                [estimate(later[network], reference_s, estimator).seconds for network in networks]
                for later in _measured_again(measurements, networks)
            ),
        ]
        self._calibrate(fit_calibration(self._parts(networks), np.array(times), fixed_s))
        return self

    def _parts(self, networks: Sequence[Network]) -> NetworkParts:
        """What the networks' latencies are made of."""
        within, beyond = self.pairs_.scaled(1, 0), self.pairs_.scaled(0, 1)
        ops = [timed_ops(network) for network in networks]
        sums = [sum(self.op_estimate(op).seconds for op in each) for each in ops]
        return NetworkParts(
            np.array(sums) + [sum(within.of_network(network)) for network in networks],
            np.array([sum(beyond.of_network(network)) for network in networks]),
            np.array([float(sum(op.in_precision(self.precision_).parameter_bytes for op in each)) for each in ops]),
            np.array([float(len(each)) for each in ops]),
        )

    def _covers(self, network: Network) -> bool:
        """Whether every op of the network can be predicted, so that it can be used for calibration."""
        try:
            for op in timed_ops(network):
                self.op_estimate(op)
            self.pairs_.of_network(network)
        except NotMeasured:
            return False
        return True


def _measured_again(
    measurements: Sequence[Measurement], networks: Sequence[Network]
) -> Iterator[Mapping[Workload, Measurement]]:
    """The later measurements of the networks, of each repetition that has all of them."""
    later: dict[int, dict[Workload, Measurement]] = {}
    for one in measurements:
        if one.repetition and one.role == "fit":
            later.setdefault(one.repetition, {})[one.workload] = one
    return (found for _, found in sorted(later.items()) if networks and found.keys() >= set(networks))


def _subtract_fixed_cost(latency: Estimate, fixed_s: float) -> Estimate:
    """A latency minus the fixed cost, but at least a thousandth of it, since an op that runs takes time."""
    minimum = latency.seconds / 1000
    return latency.map(lambda seconds: max(seconds - fixed_s, minimum))
