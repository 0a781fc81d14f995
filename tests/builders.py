"""Records for tests. Their numbers are round on purpose, so that they cannot be mistaken for a device's."""

import itertools
from collections.abc import Mapping, Sequence

from latkit.ops import INPUT, OVERHEAD_PROBE, Network, Op, make_op
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.timing import REFERENCE, Environment, Measurement, Role, Round, TimingPlan, Workload

TARGET = Target("board", "onnxruntime")
ENVIRONMENT = Environment("device", "runtime 1", "cpu", "exporter 1", 17, "unpinned", REFERENCE.key, 1)
PLAN = TimingPlan(rounds=2, round_s=0.01, round_runs=3)
REFERENCE_NS = 1_000_000

SMALL_SPACE = """
name = "small"
input_shape = [3, 16, 16]

[[layers]]
name = "stem"
candidates = [{ kind = "conv", out_channels = 16 }]

[[layers]]
name = "body"
repeat = 2
candidates = [{ kind = "mbconv", out_channels = 16, kernel = [3, 5], expansion = [3, 6] }, { kind = "skip" }]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]

[[layers]]
name = "classifier"
candidates = [{ kind = "linear", out_features = 10 }]
"""
"""A space of seven small ops, as a user would write it."""


def make_round(
    wall_ns: Sequence[int], reference_ns: int = REFERENCE_NS, started_at: float = 0.0, preemptions: Sequence[int] = ()
) -> Round:
    return Round(
        started_at=started_at,
        wall_ns=tuple(wall_ns),
        cpu_ns=tuple(wall_ns),
        preemptions=tuple(preemptions) or (0,) * len(wall_ns),
        reference_wall_ns=(reference_ns,) * 3,
        reference_cpu_ns=(reference_ns,) * 3,
        conditions={"before": {"load": 0.0}},
    )


def make_measurement(
    workload: Workload,
    nanoseconds: int,
    *,
    environment: Environment = ENVIRONMENT,
    plan: TimingPlan = PLAN,
    role: Role = "fit",
    repetition: int = 0,
    rounds: int | None = None,
    started_at: float = 0.0,
) -> Measurement:
    """A measurement whose runs all took the same time."""
    count = plan.rounds if rounds is None else rounds
    made = tuple(make_round([nanoseconds] * 3, started_at=started_at + number) for number in range(count))
    return Measurement(workload, TARGET, environment, plan, made, role, repetition)


def conv(channels: int, size: int = 8) -> Op:
    return make_op("conv", (channels, size, size), out_channels=channels, kernel=3)


def measurements_of(nanoseconds: Mapping[Workload, int], fixed_ns: int = 1000) -> list[Measurement]:
    """Measurements of these workloads and of the fixed cost."""
    return [make_measurement(workload, ns) for workload, ns in {OVERHEAD_PROBE: fixed_ns, **nanoseconds}.items()]


def network_of(*ops: Op, name: str = "") -> Network:
    return Network(ops, name)


def middle_path_s(table: LatencyTable) -> float:
    """Seconds of the path nearest to the middle of a small space's range: a target that is hit."""
    middle_s = (table.fastest() + table.slowest()) / 2
    paths = itertools.product(*(range(len(row)) for row in table.rows()))
    return min(map(table.total, paths), key=lambda seconds: abs(seconds - middle_s))


_SHAPE = (8, 6, 6)
_POINTWISE, _SPATIAL = (make_op("conv", _SHAPE, out_channels=8, kernel=kernel) for kernel in (1, 3))
CELL = Network(
    (
        make_op("conv", (3, 12, 12), out_channels=8, stride=2),
        _POINTWISE,
        _SPATIAL,
        make_op("skip", _SHAPE),
        make_op("add", _SHAPE, _SHAPE),
        make_op("concat", _SHAPE, _SHAPE),
        make_op("pool", (16, 6, 6)),
        make_op("linear", (16,), out_features=4),
    ),
    "cell",
    ((INPUT,), (0,), (0,), (0,), (1, 3), (4, 2), (5,), (6,)),
)
"""A network with two branches and a skip beside them, an addition and a concatenation."""
