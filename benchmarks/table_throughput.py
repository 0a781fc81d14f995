"""Speed of latency look-up: architectures in batches and one at a time, and an ONNX file predicted.

    python benchmarks/table_throughput.py [--architectures 4000000] [--onnx FILE --workspace DIR --target TARGET]
                                          [--json]

The table is that of `proxyless-mobile` with round numbers in it, because only the time counts. An ONNX file is read,
partitioned into kernels and predicted by the target's kernel model, which is loaded already. Without one, a network of
that space is exported, and predicted by a look-up model of its ops.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from latkit.cli.console import show_facts
from latkit.graphs import Graph
from latkit.latency_models import LookupModel
from latkit.latency_models.calibration.model import Calibration
from latkit.runtimes.onnx.network import embed_network, read_subject
from latkit.spaces import Space, load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.timing import Estimate
from latkit.workspace import Workspace

NN_METER_SECONDS = 0.3
"""nn-Meter's time for a network."""

REPEATS = 7
"""The minimum of this many times counts: the machine has other work."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", type=int, default=4_000_000)
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--target", default="here/onnxruntime")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    space = load("proxyless-mobile")
    model = round_numbers(space)
    table = LatencyTable(space, model)
    figures: dict[str, str | int | float | None] = {
        "architectures_per_second": batched(space, table, given.architectures),
        "single_seconds": single(space, table),
        "predict_onnx_seconds": predicting(Workspace(given.workspace), Target.parse(given.target), given.onnx)
        if given.onnx
        else predicting_ours(space, model),
    }
    shown = {**figures, "times faster than nn-Meter, singly": NN_METER_SECONDS / float(figures["single_seconds"] or 0)}
    show_facts("looking up", shown)
    if given.json:
        print(json.dumps(figures))


def round_numbers(space: Space) -> LookupModel:
    """A look-up model with a round number for each op: for timing it, not for its values."""
    model = LookupModel()
    model.ops_ = {op: Estimate(1e-6 * n, 1e-6 * n, 1e-6 * n) for n, op in enumerate(space.ops(), start=1)}
    model.calibration_ = Calibration(1e-6)
    return model


def min_seconds(work: Callable[[], object]) -> float:
    """The minimum time of some work."""
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def batched(space: Space, table: LatencyTable, count: int) -> float:
    """Architectures per second, of many in one tensor of small integers."""
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, len(choice.options), count, dtype=np.uint8) for choice in space.choices]
    architectures = torch.from_numpy(np.stack(columns, axis=1))
    return count / min_seconds(lambda: table.lookup(architectures))


def single(space: Space, table: LatencyTable) -> float:
    """Seconds for one architecture at a time."""
    rng = random.Random(0)
    architectures = [space.sample(rng) for _ in range(1000)]
    return min_seconds(lambda: [table.total(architecture) for architecture in architectures]) / len(architectures)


def predicting(workspace: Workspace, target: Target, path: Path) -> float:
    """Seconds to read an external ONNX file and predict it."""
    model = workspace.kernel_model(target)

    def predict() -> None:
        graph = read_subject(path)
        assert isinstance(graph, Graph)
        model.predict(graph)

    return min_seconds(predict)


def predicting_ours(space: Space, model: LookupModel) -> float:
    """Seconds to read an ONNX file that latkit exported and predict it."""
    network = space.decode([0] * len(space.choices))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        workspace = Workspace.init(folder)
        shutil.copyfile(workspace.exporter(Target("here", "onnxruntime"))(network).path, path)
        embed_network(path, network)

        def predict() -> None:
            workload = read_subject(path)
            assert not isinstance(workload, Graph)
            model.predict(workload)

        return min_seconds(predict)


if __name__ == "__main__":
    main()
