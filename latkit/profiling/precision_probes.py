"""Which precisions a device executes with a runtime, and how fast: one convolution in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from latkit.devices import PrecisionProbe
from latkit.errors import AgentError, ExportError
from latkit.ops import make_op
from latkit.profiling.collector import TimingSession
from latkit.runtimes import Artifact, get_runtime
from latkit.targets import Target
from latkit.timing import TimingPlan, Workload, round_min_s, uses_cpu_time

PROBE = make_op("conv", (32, 14, 14), out_channels=32, kernel=3)
"""A dense convolution: small, and of the kind that gains most from integers."""

MAX_REASON_CHARS = 500

PLAN = TimingPlan(rounds=1, round_s=0.05, extra_rounds=0)


def probe_precisions(
    session: TimingSession, export: Callable[[Workload], Artifact], target: Target
) -> Mapping[str, PrecisionProbe]:
    """Every precision of the target's runtime, run once on the device: its speed, or why it is not executed.

    `export` is for a target in the runtime's first precision, as `target` is. Raises DeviceError, and MissingExtra.
    """
    first, *others = get_runtime(target.runtime).precisions
    found: dict[str, PrecisionProbe] = {}
    reference = export(PROBE)
    use_cpu_time = uses_cpu_time(target)
    reference_s = round_min_s(session.measure_round(reference, reference, PLAN), use_cpu_time)
    found[first] = PrecisionProbe(speedup=1.0)
    for precision in others:
        try:
            artifact = export(PROBE.in_precision(precision))
            seconds = round_min_s(session.measure_round(artifact, reference, PLAN), use_cpu_time)
        except (ExportError, AgentError) as error:
            found[precision] = PrecisionProbe(reason=str(error)[:MAX_REASON_CHARS])
        else:
            found[precision] = PrecisionProbe(speedup=round(reference_s / seconds, 3))
    return found
