"""The latency of models by latkit's agents, beside the same runtime called directly, in alternation in one run.

A case is a model, a runtime, an agent and a connection. The native agent is compared with a loop of C over the
libraries that it loads, the Python agent with calls from Python. Of both, the low decile of the runs is taken: noise
is one-sided.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy import stats

from benchmarks.direct_calls import LoopInC, LoopInPython, traced_op_us
from latkit.artifacts.files import ModelSource, SourceRequest, read_source
from latkit.devices import Device, Local, Ssh, add_device
from latkit.profiling.profile import ModelRequest, Profile, ProfileRequest
from latkit.runtimes import get_runtime
from latkit.targets import Target
from latkit.testing.boards.sshd import Sshd, running_sshd
from latkit.timing import REFERENCE, TimingPlan
from latkit.workspace import Workspace
from latkit.workspace.profiling.profiles import profile_models
from latkit.workspace.profiling.target_session import MeasureOptions

PLAN = TimingPlan(rounds=1, round_s=0.1, extra_rounds=0)
LOW = 0.1
ALTERNATIONS = 30
"""Rounds of latkit, and as many of the direct calls."""
TRACE_S = 1.0

SIZES = {"chain-0.2ms": (4, 16, 14, 16), "chain-1ms": (7, 16, 14, 16), "chain-20ms": (8, 32, 40, 16)}
"""Layers, channels, resolution, and channels more in every layer, so that no two ops take equally long. The names say
about how long the models take on one core."""

SHORT_MS, PERCENT, SHORT_PERCENT, SHORT_US = 1.0, 1.0, 3.0, 3.0
"""What is to be reached: 1 % for models over 1 ms; 3 % or 3 us for shorter ones."""


@dataclass(frozen=True)
class Case:
    """One model on one runtime, by one agent, through one connection."""

    model: str
    runtime: str
    agent: str
    connection: str

    @property
    def name(self) -> str:
        return f"{self.model} {self.runtime} {self.connection} {self.agent}"

    @property
    def device(self) -> str:
        return f"{self.connection}-{self.agent}"


CASES = [
    Case(model, runtime, agent, connection)
    for connection in ("local", "ssh")
    for agent in ("python", "native")
    for runtime in ("onnxruntime", "tflite")
    for model in SIZES
]


def make_onnx(path: Path, layers: int, channels: int, size: int, more: int) -> Path:
    """Convolutions of 3x3, each with a ReLU."""
    rng, names = np.random.default_rng(0), ["x", *(f"r{number}" for number in range(layers))]
    widths = [channels + more * number for number in range(layers + 1)]
    weights, nodes = [], []
    for number in range(layers):
        values = rng.standard_normal((widths[number + 1], widths[number], 3, 3)) / np.sqrt(9 * widths[number])
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{number}"))
        inputs = [names[number], f"w{number}"]
        nodes.append(helper.make_node("Conv", inputs, [f"c{number}"], f"conv{number}", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [names[number + 1]], f"relu{number}"))
    nodes.append(helper.make_node("GlobalAveragePool", [names[-1]], ["y"], "pool"))
    shapes = {"x": [1, channels, size, size], "y": [1, widths[-1], 1, 1]}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph(nodes, "chain", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def make_tflite(path: Path, layers: int, channels: int, size: int, more: int) -> Path:
    """The same layers, written from a torch module."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    widths = [channels + more * number for number in range(layers + 1)]
    parts = [
        part for one, other in pairwise(widths) for part in (nn.Conv2d(one, other, 3, padding=1, bias=False), nn.ReLU())
    ]
    module = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1)).eval()
    get_runtime("tflite").export(module, [torch.zeros(1, channels, size, size)], path)
    return path


MAKERS = {"onnxruntime": make_onnx, "tflite": make_tflite}


def model_file(folder: Path, runtime: str, name: str) -> Path:
    """The file of a model, made when it is first needed."""
    path = folder / f"{name}{get_runtime(runtime).suffix}"
    return path if path.exists() else MAKERS[runtime](path, *SIZES[name])


def read(path: Path) -> ModelSource:
    return read_source(SourceRequest(path))


@contextmanager
def registered(workspace: Workspace, folder: Path) -> Iterator[Mapping[str, Device]]:
    """This machine by both agents, directly and by SSH. Raises Unavailable without an SSH server."""
    with ExitStack() as stack:
        (folder / "sshd").mkdir()
        server: Sshd = stack.enter_context(running_sshd(folder / "sshd"))
        addresses = {"local": Local(), "ssh": Ssh(host="board", config=str(server.config))}
        yield {
            f"{connection}-{agent}": add_device(
                workspace.devices_dir,
                f"{connection}-{agent}",
                address,
                native=agent == "native",
                python=sys.executable if agent == "python" else None,
                agent_folder=str(folder / f"{connection}-{agent}"),
            )
            for connection, address in addresses.items()
            for agent in ("python", "native")
        }


def measure_case(workspace: Workspace, folder: Path, devices: Mapping[str, Device], case: Case) -> dict[str, Any]:
    """The agent and the direct calls in alternation; on this machine also the profile beside the runtime's trace."""
    target, path = Target(case.device, case.runtime), model_file(folder, case.runtime, case.model)
    source = read(path)
    agent_ns: list[float] = []
    direct_ns: list[float] = []
    with (
        _direct(folder, devices, case, source) as direct,
        workspace.collection(target, MeasureOptions(PLAN, wait_s=600)) as collection,
    ):
        artifact = source.artifact(get_runtime(case.runtime), folder)
        reference = collection.export(REFERENCE)
        for _ in range(ALTERNATIONS):
            found = collection.session.measure_round(artifact, reference, PLAN)
            agent_ns += [min(pair) for pair in zip(found.wall_ns, found.cpu_ns, strict=True)]
            direct_ns += direct.run_ns(PLAN.round_s / 2)
    agent_ms, direct_ms = (float(np.quantile(runs, LOW)) / 1e6 for runs in (agent_ns, direct_ns))
    return {
        "runtime": case.runtime,
        "latkit_ms": agent_ms,
        "direct_ms": direct_ms,
        "difference_percent": 100 * (agent_ms / direct_ms - 1),
        "reached": is_reached(agent_ms, direct_ms),
        **(_ops_figures(workspace, target, source) if case.connection == "local" else {}),
    }


def is_reached(agent_ms: float, direct_ms: float) -> bool:
    """Whether the difference is as small as it is to be."""
    percent, microseconds = 100 * abs(agent_ms / direct_ms - 1), 1e3 * abs(agent_ms - direct_ms)
    return percent <= PERCENT if direct_ms > SHORT_MS else percent <= SHORT_PERCENT or microseconds <= SHORT_US


def _direct(folder: Path, devices: Mapping[str, Device], case: Case, source: ModelSource) -> LoopInC | LoopInPython:
    if case.agent == "native":
        return LoopInC(folder, devices["local-native"], source.path, case.runtime, group_runs=1)
    return LoopInPython(source.path, case.runtime, dict(source.values))


def _ops_figures(workspace: Workspace, target: Target, source: ModelSource) -> dict[str, Any]:
    """What the profile's op times are like."""
    request = ProfileRequest(target, (ModelRequest(source.path),), PLAN, peaks=False, wait_s=600)
    (profile,) = profile_models(workspace, request).profiles
    return {
        "op_sum_percent": profile.profiler.op_sum_percent if profile.profiler else None,
        "profiler_slowdown": profile.profiler.slowdown if profile.profiler else None,
        "rank_correlation": rank_correlation(profile, source) if target.runtime == "onnxruntime" else None,
    }


def rank_correlation(profile: Profile, source: ModelSource) -> float | None:
    """Spearman's, of the profile's op times with those of onnxruntime's own trace in this process."""
    times = {op.name: op.ms for op in profile.ops}
    trace = traced_op_us(source.path, dict(source.values), TRACE_S)
    common = sorted(times.keys() & trace.keys())
    pairs = [times[name] for name in common], [trace[name] for name in common]
    return float(stats.spearmanr(*pairs).statistic) if len(common) > 2 else None
