"""Ten external architectures, from transformers with random weights: predicted, and measured.

They are predicted twice: from kernels none of which has the shape of one of theirs, and with their own measured.
The model is calibrated on latkit's own families of networks alone. Run by benchmarks/prediction.py, or alone:

    python benchmarks/external_models.py WORKSPACE TARGET [--kernels 700] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from latkit import Target, Workspace
from latkit.errors import NotMeasured
from latkit.graphs import Graph, partition_graph
from latkit.latency_models.kernels import KernelModel, Prediction
from latkit.latency_models.kernels.features import kernel_specs
from latkit.latency_models.kernels.fusion_file import FusionFile
from latkit.measurements import select
from latkit.profiling.fusion_probes import Probing, collect_kernels, collect_model
from latkit.progress import Callbacks, Progress, Silent
from latkit.runtimes.onnx.module import graph_of_module
from latkit.timing import Measurement, TimingPlan, estimate, reference_seconds
from latkit.workspace import MeasureOptions

KERNELS = 700

LABELS = 1000


class Logits(nn.Module):
    """An image classifier of transformers as a function from a tensor to a tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=image).logits
        return logits


def architectures() -> dict[str, Callable[[], tuple[nn.Module, int]]]:
    """Name -> a function that returns the classifier, with random weights, and the side of its images in pixels."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers as hf

    hf.logging.set_verbosity_error()  # type: ignore[no-untyped-call]

    def of(kind: str, side: int = 224, **settings: Any) -> Callable[[], tuple[nn.Module, int]]:
        def make() -> tuple[nn.Module, int]:
            config = getattr(hf, f"{kind}Config")(num_labels=LABELS, **settings)
            return getattr(hf, f"{kind}ForImageClassification")(config), side

        return make

    tiny = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
    return {
        "MobileNetV1": of("MobileNetV1"),
        "MobileNetV2": of("MobileNetV2"),
        "EfficientNet-B0": of(
            "EfficientNet", width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, image_size=224
        ),
        "ResNet-18": of("ResNet", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"),
        "ResNet-50": of("ResNet"),
        "RegNetY-400MF": of(
            "RegNet", hidden_sizes=[48, 104, 208, 440], depths=[1, 3, 6, 6], groups_width=8, layer_type="y"
        ),
        "ConvNeXt-T": of("ConvNext"),
        "MobileViT-S": of("MobileViT", side=256),
        "ViT-Ti": of("ViT", **tiny),
        "PoolFormer-S12": of("PoolFormer"),
    }


def graph_of(name: str, make: Callable[[], tuple[nn.Module, int]]) -> Graph:
    torch.manual_seed(0)
    model, side = make()
    graph = graph_of_module(Logits(model.eval()), torch.randn(1, 3, side, side))
    return Graph(graph.inputs, graph.constants, graph.nodes, graph.outputs, graph.opset, name)


def judge_external_models(
    workspace: Workspace,
    target: Target,
    progress: Progress,
    kernels: int = KERNELS,
    plan: TimingPlan | None = None,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Collect what is missing, and compare predictions with measurements; resumable."""
    judged = {name: graph_of(name, make) for name, make in architectures().items() if not names or name in names}
    path, graphs = workspace.fusion_path(target), list(judged.values())
    options = MeasureOptions(plan or TimingPlan(), wait_s=float("inf"))
    with workspace.collection(target, options, Callbacks(progress)) as collection:
        collect_kernels(collection, path, kernels)
        for graph in graphs:
            collect_model(collection, path, graph)
        Probing(collection, float("inf")).measure(graphs)
    rules = FusionFile.load(path).holding
    used = select([m for m in workspace.measurements(target) if m.role == "fit"]).used
    own = {spec.key for graph in graphs for spec in kernel_specs(partition_graph(graph, rules))}
    without = [m for m in used if m.workload not in set(graphs) and not contains(m, own, rules)]
    measured_s = latencies(used)
    unseen = KernelModel(rules).fit(without)
    full_model = KernelModel(rules).fit([m for m in used if m.workload not in set(graphs)])
    rows = [row(name, graph, measured_s[graph.key], unseen, full_model) for name, graph in judged.items()]
    return {
        "count": len(rows),
        "unmeasured_within_10_percent": within(rows, "unmeasured_error_percent"),
        "measured_within_10_percent": within(rows, "measured_error_percent"),
        "kernels_measured": len(unseen.measured_),
        "rows": rows,
    }


def contains(measurement: Measurement, keys: set[str], rules: frozenset[tuple[str, str]]) -> bool:
    """Whether a measured kernel has one of these keys, alone or with a neighbor."""
    workload = measurement.workload
    if not isinstance(workload, Graph):
        return False
    parts = partition_graph(workload, rules)
    return len(parts.kernels) <= 2 and any(spec.key in keys for spec in kernel_specs(parts))


def latencies(measurements: Sequence[Measurement]) -> dict[str, float]:
    reference_s = reference_seconds(measurements)
    return {m.workload.key: estimate(m, reference_s).seconds for m in measurements}


def row(name: str, graph: Graph, measured_s: float, unseen: KernelModel, full_model: KernelModel) -> dict[str, Any]:
    """One network, measured and predicted both ways; what cannot be predicted is None, and counts as missed."""
    unmeasured, measured = predicted(unseen, graph), predicted(full_model, graph)
    arguments = [kernel.known for kernel in unmeasured.kernels] if unmeasured else []
    return {
        "network": name,
        "measured_ms": 1e3 * measured_s,
        **against("unmeasured_ms", "unmeasured_error_percent", unmeasured, measured_s),
        **against("with_own_kernels_ms", "measured_error_percent", measured, measured_s),
        "kernels": len(partition_graph(graph, unseen.rules).kernels),
        "extrapolated": arguments.count("extrapolated"),
    }


def predicted(model: KernelModel, graph: Graph) -> Prediction | None:
    """The prediction; None, with the reason on stderr, if a kernel is of a kind that was never measured."""
    try:
        return model.predict(graph)
    except NotMeasured as error:
        print(f"{graph.title}: {error}", file=sys.stderr)
        return None


def against(name: str, error_name: str, found: Prediction | None, measured_s: float) -> dict[str, float | None]:
    """A prediction in ms and its error in percent, by these names."""
    if found is None:
        return {name: None, error_name: None}
    seconds = found.seconds
    return {name: 1e3 * seconds, error_name: 100 * (seconds / measured_s - 1)}


def within(rows: Sequence[dict[str, Any]], name: str, percent: float = 10.0) -> float:
    return 100 * sum(row[name] is not None and bool(abs(row[name]) <= percent) for row in rows) / len(rows)


def show(found: dict[str, Any]) -> None:
    table = Table(title="foreign networks: predicted from other kernels, and from their own")
    for column in found["rows"][0]:
        table.add_column(column.replace("_", " "), justify="left" if column == "network" else "right")
    for one in found["rows"]:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in one.values()))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("target", type=Target.parse)
    parser.add_argument("--kernels", type=int, default=KERNELS)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--round-seconds", type=float, default=0.2)
    parser.add_argument("--network", action="append", default=[], help="judge these alone")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    plan = TimingPlan(arguments.rounds, arguments.round_seconds)
    workspace = Workspace(arguments.workspace)
    found = judge_external_models(workspace, arguments.target, Silent(), arguments.kernels, plan, arguments.network)
    print(json.dumps(found)) if arguments.json else show(found)


if __name__ == "__main__":
    main()
