"""by-macs: every op takes its multiply-accumulates times the mean cost of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from latkit.latency_models import OpModel
from latkit.ops import Op
from latkit.timing import Estimate


class ByMacs(OpModel):
    """Seconds per multiply-accumulate. Its file holds the measured ops, from which it is learned anew."""

    kind = "by-macs"
    learns = True

    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        self.ops_ = dict(measured)
        total_macs = sum(op.macs for op in measured) or 1
        self.seconds_per_mac_ = sum(latency.seconds for latency in measured.values()) / total_macs

    def op_estimate(self, op: Op) -> Estimate:
        """Seconds of any op, without an interval."""
        return Estimate(op.macs * self.seconds_per_mac_, None, None)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The model of a JSON document."""
        model = super().from_json(document)
        model._fit_ops(model.ops_)
        return model
