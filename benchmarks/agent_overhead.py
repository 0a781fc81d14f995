"""What the agents add to a run, in nanoseconds, compared with calling the same runtime directly in a loop of C.

    python benchmarks/agent_overhead.py [--rounds 300] [--ops 8] [--runtime onnxruntime] [--json]

The op is the one by which latkit measures a runtime's fixed cost. `direct_ns` is a run of it in a bare loop over the
runtime's C API (benchmarks/direct.c), timed in groups of ten runs, in alternation with rounds of both agents on this
machine. Of rounds, and of groups, the low decile is taken: noise is one-sided.

- `native_ns`, `python_ns`: what a timed run costs in an agent beyond the direct call: clocks, counters, bookkeeping
  and the call into the runtime. It is time of the round, and not of the sample.
- `native_sample_ns`, `python_sample_ns`: by how much an agent's samples are longer than the direct call. This is
  included in every latency.

Then the sizes of the bundles, how long it takes to push and to start one, and both agents on the same ops, each
measured twice: their difference, compared with the repeatability. Every op includes the difference in fixed cost.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.direct_calls import LoopInC
from latkit.artifacts.cache import ArtifactCache
from latkit.cli.console import show_facts, show_table
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Device, Local, Session, add_device, connect, open_session
from latkit.devices.provisioning.bundle import bundle_for, pins
from latkit.devices.provisioning.toolchain import ARCHITECTURES
from latkit.devices.sessions.agent_launcher import launch
from latkit.errors import BundleError
from latkit.ops import OVERHEAD_PROBE, Op
from latkit.spaces import load
from latkit.targets import Target
from latkit.timing import REFERENCE, Measurement, Round, TimingPlan, estimate, reference_seconds

BLOCK_RUNS = 10
ROUND_S = 0.003
"""Short, so that most rounds are not interrupted."""
LOW = 0.1
AGENTS = ("native", "python")
Rows = list[dict[str, str | int | float | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, help="rounds of each agent, and as many of the bare loop")
    parser.add_argument("--ops", type=int, default=8, help="ops of proxyless-mobile on which the agents are compared")
    parser.add_argument("--runtime", default="onnxruntime", choices=sorted(pins()))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    bundles = bundle_sizes()
    with tempfile.TemporaryDirectory() as temporary, ConsoleProgress() as progress:
        folder = Path(temporary)
        push_s, start_s = push_and_start(folder)
        devices = {
            name: add_device(folder, name, Local(), native=name == "native", agent_folder=str(folder / f"at-{name}"))
            for name in AGENTS
        }
        figures: dict[str, Any] = overheads(devices, given.runtime, given.rounds, folder)
        rows = compare(devices, given.runtime, given.ops, progress.advance)
    figures |= {
        "bundle_bytes": bundles.get("aarch64 tflite") or min(bundles.values()),
        "bundles_bytes": bundles,
        "push_s": push_s,
        "start_s": start_s,
        "difference_percent": mean_of(rows[1:], "differ_percent"),
        "repeatability_percent": mean_of(rows[1:], "repeat_percent"),
    }
    show_table(f"both agents on {given.runtime}", rows)
    show_facts(
        "agents beside direct calls", {name: figure for name, figure in figures.items() if name != "bundles_bytes"}
    )
    show_facts("bundles, bytes", bundles)
    if given.json:
        print(json.dumps(figures))


def mean_of(rows: Rows, column: str) -> float:
    return float(np.mean([row[column] for row in rows]))


def bundle_sizes() -> dict[str, int]:
    """Bytes of the bundle of each processor that can be built for here, with each runtime alone and with all."""
    sizes = {}
    for architecture in ARCHITECTURES:
        for runtimes in [*([name] for name in pins()), list(pins())]:
            try:
                sizes[f"{architecture} {' '.join(runtimes)}"] = bundle_for(architecture, runtimes)[0].bytes
            except BundleError as error:
                print(error)
    return sizes


def push_and_start(folder: Path) -> tuple[float, float]:
    """Seconds until a native agent answers, with no bundle there before, and with its bundle already there."""
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        with connect(Local()) as transport, launch(transport, "here", str(folder / "pushed"), None):
            seconds.append(time.perf_counter() - begin)
    return seconds[0], seconds[1]


def overheads(devices: Mapping[str, Device], runtime: str, rounds: int, folder: Path) -> dict[str, object]:
    """Both agents and the bare loop, in alternation."""
    artifact = ArtifactCache().artifact(OVERHEAD_PROBE, Target("here", runtime))
    plan = TimingPlan(rounds=1, round_s=ROUND_S, round_runs=10**9)
    runs: dict[str, list[float]] = {name: [] for name in ("direct", *AGENTS)}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    with ExitStack() as stack:
        direct = stack.enter_context(LoopInC(folder, devices["native"], artifact.path, runtime, BLOCK_RUNS))
        sessions = opened(stack, devices, runtime)
        for _ in range(rounds):
            blocks = direct.run_ns(ROUND_S)
            runs["direct"].append(float(np.mean(blocks)))
            samples["direct"].extend(blocks)
            for name, session in sessions.items():
                one_round = session.measure_round(artifact, artifact, plan)
                runs[name].append(run_ns(one_round))
                samples[name].extend(block_means(one_round))
    low = {name: float(np.quantile(values, LOW)) for name, values in runs.items()}
    low_samples = {name: float(np.quantile(values, LOW)) for name, values in samples.items()}
    return {
        "direct_ns": low["direct"],
        **{f"{name}_ns": low[name] - low["direct"] for name in AGENTS},
        **{f"{name}_sample_ns": low_samples[name] - low_samples["direct"] for name in AGENTS},
    }


def opened(stack: ExitStack, devices: Mapping[str, Device], runtime: str) -> dict[str, Session]:
    return {name: stack.enter_context(open_session(device, Target(name, runtime))) for name, device in devices.items()}


def run_ns(one_round: Round) -> float:
    """A run's share of the round's time, including the agent's own work.

    The first run of each block is not reported; the last block ends, on average, half a block after the time is over.
    """
    block_sizes = one_round.conditions["turn"]
    assert isinstance(block_sizes, dict)
    n_blocks = len(one_round.wall_ns) / block_sizes["subject_runs"]
    runs = len(one_round.wall_ns) + len(one_round.reference_wall_ns) + 2 * n_blocks
    return float(ROUND_S * 1e9) / float(runs * (1 - 0.5 / n_blocks) + block_sizes["warm_up_runs"])


def block_means(one_round: Round) -> list[float]:
    """Means of the samples of a run, block by block, in ns."""
    complete = len(one_round.wall_ns) // BLOCK_RUNS * BLOCK_RUNS
    return [float(mean) for mean in np.reshape(one_round.wall_ns[:complete], (-1, BLOCK_RUNS)).mean(axis=1)]


def compare(
    devices: Mapping[str, Device], runtime: str, ops: int, advance: Callable[[str, int, int, str], None]
) -> Rows:
    """Both agents on the fixed cost and the same ops, each twice, round by round in random order."""
    known = sorted(load("proxyless-mobile").ops(), key=lambda op: op.macs)
    chosen = [OVERHEAD_PROBE, *(known[index] for index in np.linspace(0, len(known) - 1, ops).round().astype(int))]
    target, cache, plan = Target("here", runtime), ArtifactCache(), TimingPlan()
    artifacts = {op: cache.artifact(op, target) for op in chosen}
    reference = cache.artifact(REFERENCE, target)
    rounds: dict[tuple[Op, str, int], list[Round]] = {}
    order = [(op, name) for op in chosen for name in AGENTS for _ in range(plan.rounds)]
    for half in (0, 1):  # each in processes of its own: the memory layout is part of what repeats or does not
        with ExitStack() as stack:
            sessions = opened(stack, devices, runtime)
            random.Random(half).shuffle(order)
            for done, (op, name) in enumerate(order, start=1):
                one_round = sessions[name].measure_round(artifacts[op], reference, plan)
                rounds.setdefault((op, name, half), []).append(one_round)
                advance("comparing", half * len(order) + done, 2 * len(order), name)
            environments = {name: session.environment(reference, reference) for name, session in sessions.items()}
    measured = {
        (op, name, half): Measurement(op, target, environments[name], plan, tuple(found))
        for (op, name, half), found in rounds.items()
    }
    scale = reference_seconds(measured.values())
    seconds = {key: estimate(measurement, scale).seconds for key, measurement in measured.items()}
    return [row(op, {name: [seconds[op, name, half] for half in (0, 1)] for name in AGENTS}) for op in chosen]


def row(op: Op, seconds: Mapping[str, Sequence[float]]) -> dict[str, str | int | float | None]:
    means = {name: float(np.mean(twice)) for name, twice in seconds.items()}
    repeats = [abs(first - second) / means[name] for name, (first, second) in seconds.items()]
    return {
        "op": op.title,
        **{f"{name}_ms": 1e3 * mean for name, mean in means.items()},
        "differ_us": 1e6 * (means["python"] - means["native"]),
        "differ_percent": 100 * abs(means["native"] / means["python"] - 1),
        "repeat_percent": 100 * float(np.mean(repeats)),
    }


if __name__ == "__main__":
    main()
