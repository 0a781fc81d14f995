"""Few kernels: how well a few measured kernels of a kind predict its others, on this machine with onnxruntime.

    python benchmarks/few_kernels.py [--json]

Times kernels of six kinds (a fixed grid of sizes, one thread), and draws one to five of the shorter half of a kind,
many times. The others are predicted by the seven roofline terms, and by three terms and the target's roofline, as
`latkit.latency_models.kernels.regression` does. Prints the geometric mean of the error, as a factor, and its 95th
percentile. The fastest run counts; other work on the machine changes the figures a little.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from latkit._io.arrays import Floats
from latkit.cli.console import show_table
from latkit.graphs import partition_graph
from latkit.latency_models.kernels.features import kernel_specs, roofline
from latkit.latency_models.kernels.regression import MIN_S, best_rates, fit_few
from latkit.latency_models.trees.residual_trees import fit_baseline
from latkit.runtimes.onnx.graph import read_graph

MEASURED = (1, 2, 3, 5)
DRAWS = 100
TIMED_S = 0.3
MIN_KERNEL_S = 5e-7

Case = tuple[str, dict[str, Any], list[int], list[int], list[tuple[int, ...]]]
"""ONNX operator, attributes, input shape, output shape, shapes of the weights."""


def cases() -> dict[str, list[Case]]:
    """Kernels by kind."""
    recurrent = list(itertools.product((1, 8, 32, 100), (32, 128), (16, 64, 256)))
    return {
        **{
            kind: [
                (kind, {"hidden_size": n}, [s, 1, i], [s, 1, 1, n], [(1, gates * n, i), (1, gates * n, n)])
                for s, i, n in recurrent
            ]
            for kind, gates in (("LSTM", 4), ("GRU", 3))
        },
        "Softmax": [
            ("Softmax", {"axis": -1}, [1, a, b], [1, a, b], [])
            for a, b in itertools.product((1, 8, 64, 512), (10, 128, 1000))
        ],
        "LayerNormalization": [
            ("LayerNormalization", {}, [1, a, b], [1, a, b], [(b,), (b,)])
            for a, b in itertools.product((1, 16, 64, 256), (32, 128, 768))
        ],
        "MatMul": [
            ("MatMul", {}, [a, b], [a, c], [(b, c)])
            for a, b, c in itertools.product((1, 16, 128), (64, 512), (64, 1024))
        ],
        "ConvTranspose": [
            (
                "ConvTranspose",
                {"kernel_shape": [k, k], "strides": [2, 2]},
                [1, c, s, s],
                [1, c, 2 * (s - 1) + k, 2 * (s - 1) + k],
                [(c, c, k, k)],
            )
            for c, s, k in itertools.product((8, 32, 64), (8, 16, 32), (2, 4))
        ],
    }


def measure(case: Case, path: Path) -> tuple[float, Floats]:
    """Seconds of the fastest run, and roofline terms."""
    operator, attributes, given, output, shapes = case
    rng = np.random.default_rng(0)
    weights = {f"w{n}": rng.normal(0, 0.1, shape).astype(np.float32) for n, shape in enumerate(shapes)}
    node = helper.make_node(operator, ["x", *weights], ["y"], **attributes)
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in (("x", given), ("y", output))]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([node], operator, tensors[:1], tensors[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {"x": rng.normal(size=given).astype(np.float32)}
    seconds: list[float] = []
    end = time.perf_counter() + TIMED_S
    while time.perf_counter() < end or len(seconds) < 10:
        begun = time.perf_counter()
        session.run(None, feeds)
        seconds.append(time.perf_counter() - begun)
    specs = kernel_specs(partition_graph(read_graph(path, {}, 1), ()))
    terms: Floats = np.sum([roofline(spec) for spec in specs], axis=0)
    terms[0] = 1
    return min(seconds), terms


def compare(kinds: dict[str, tuple[Floats, Floats]]) -> Iterator[dict[str, str | int | float | None]]:
    """A row per kind and number of measured kernels; seconds and terms by kind."""
    rng = np.random.default_rng(0)
    for (kind, (seconds, terms)), count in itertools.product(kinds.items(), MEASURED):
        others = [values for name, values in kinds.items() if name != kind]
        short = seconds.argsort()[: len(seconds) // 2]
        if count > len(short):
            continue
        bound = best_rates(np.concatenate([t for _, t in others]), np.concatenate([s for s, _ in others]))
        errors: dict[str, list[float]] = {"seven terms": [], "three terms and roofline": []}
        for _ in range(DRAWS):
            drawn = rng.choice(short, count, replace=False)
            rest = np.setdiff1d(np.arange(len(seconds)), drawn)
            seven = terms[rest] @ fit_baseline(terms[drawn], seconds[drawn])
            three = np.maximum(terms[rest] @ fit_few(terms[drawn], seconds[drawn]), (terms[rest] * bound).max(axis=1))
            for name, predicted in zip(errors, (seven, three), strict=True):
                errors[name] += np.abs(np.log(predicted.clip(min=MIN_S) / seconds[rest])).tolist()
        row: dict[str, str | int | float | None] = {"kind": kind, "measured": count}
        for name, found in errors.items():
            row |= {name: float(np.exp(np.mean(found))), f"{name}, p95": float(np.exp(np.quantile(found, 0.95)))}
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    kinds: dict[str, tuple[Floats, Floats]] = {}
    with tempfile.TemporaryDirectory() as folder:
        measured = {kind: [measure(case, Path(folder) / "k.onnx") for case in each] for kind, each in cases().items()}
    fixed_s = min(seconds for each in measured.values() for seconds, _ in each) - MIN_KERNEL_S
    for kind, each in measured.items():
        seconds = np.array([max(seconds - fixed_s, MIN_KERNEL_S) for seconds, _ in each])
        kinds[kind] = seconds, np.stack([terms for _, terms in each])
    rows = list(compare(kinds))
    if given.json:
        print(json.dumps(rows))
    else:
        show_table("error of the kernels not measured, as a factor", rows)


if __name__ == "__main__":
    main()
