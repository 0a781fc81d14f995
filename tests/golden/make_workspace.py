"""Makes the golden workspace with the installed version of latkit: one of every file that latkit saves.

Usage: python tests/golden/make_workspace.py FOLDER

The subfolder `workspace-0.1` was written so by version 0.1 (commit a5c5cdd) and is never rewritten:
later versions must read it and give the same figures.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SPACE = """
name = "small"
input_shape = [1, 16, 16]

[[layers]]
name = "stem"
candidates = [{ kind = "conv", out_channels = 8 }]

[[layers]]
name = "body"
repeat = 2
candidates = [{ kind = "mbconv", out_channels = 8, kernel = [3, 5], expansion = [3, 6] }, { kind = "skip" }]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]

[[layers]]
name = "classifier"
candidates = [{ kind = "linear", out_features = 10 }]
"""
IMPORTED = """
Conv-input:224x224x3-output:112x112x32: {count: 154, mean: 5.1, std: 0.5}
Logits-input:7x7x1280-output:1000: {count: 154, mean: 2.2, std: 0.3}
"""
QUICK = ("--visits", "3", "--visit-seconds", "0.02", "--extra-visits", "0")
SAVED_GRAPHS = 15
"""This many of the first and of the last kernels stay: the last are those of a model's own."""
TARGETS = ("here/onnxruntime", "here/tflite")


def latkit(root: Path, *argv: object) -> str:
    """Run a command in the workspace; returns its stdout."""
    command = [sys.executable, "-m", "latkit", "-C", str(root), *map(str, argv)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def small_onnx(path: Path) -> None:
    """A convolution whose attributes are left at their defaults, a branch with an addition, and a classifier."""
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((random.standard_normal(shape) * 0.1).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "w3"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [weight("w1", 16, 3, 3, 3), weight("w2", 16, 16, 3, 3), weight("w3", 10, 16)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def thin(store: Path) -> None:
    """Drop most of the 1,600 kernels that a collection of kernels measures: they would be 20 MB."""
    with sqlite3.connect(store) as connection:
        graphs = [key for key, text in connection.execute("SELECT key, document FROM subjects") if '"nodes"' in text]
        for key in graphs[SAVED_GRAPHS:-SAVED_GRAPHS]:
            of_key = "SELECT key FROM measurements WHERE subject_key = ?"
            connection.execute(f"DELETE FROM visits WHERE measurement_key IN ({of_key})", (key,))
            connection.execute("DELETE FROM measurements WHERE subject_key = ?", (key,))
            connection.execute("DELETE FROM subjects WHERE key = ?", (key,))
    connection.execute("VACUUM")
    connection.close()


def interrupted_search(root: Path, *argv: object) -> None:
    """Begin a search, and kill it once it has left a checkpoint."""
    command = [sys.executable, "-m", "latkit", "-C", str(root), "search", *map(str, argv)]
    with subprocess.Popen(command) as process:
        while not list(root.glob("search/interrupted/*.pt")):
            time.sleep(0.05)
            assert process.poll() is None, "it ended before it could be killed"
        time.sleep(1)
        process.send_signal(signal.SIGKILL)


def main() -> None:
    """Fill the folder that is named."""
    root = Path(sys.argv[1])
    latkit(root, "init", root)
    space, model, imported = root / "small.toml", root / "small.onnx", root / "imported.yaml"
    space.write_text(SPACE.lstrip())
    imported.write_text(IMPORTED.lstrip())
    small_onnx(model)
    latkit(root, "device", "add", "here", "--local", "--agent-folder", "/tmp/latkit-golden-agent")
    for target in TARGETS:
        latkit(root, "collect", target, "--space", space, "--networks", 6, *QUICK)
        latkit(root, "fit", target, "--space", space)
        latkit(root, "validate", target, "--space", space, "--networks", 4, *QUICK)
    latkit(root, "collect", TARGETS[0], "--kernels", 12, *QUICK)
    latkit(root, "collect", TARGETS[0], "--model", model, *QUICK)
    latkit(root, "fit", TARGETS[0], "--space", space)
    thin(root / "measurements" / "here" / "onnxruntime-t1-fp32-b1" / "measurements.sqlite")
    for name in ("table.json", "table.safetensors", "table.yaml"):
        latkit(root, "table", "export", TARGETS[0], "--space", space, "-o", root / name)
    latkit(root, "table", "import", imported, "--device", "pixel")
    latkit(root, "measurements", "export", TARGETS[1], "-o", root / "tflite.parquet")
    table = json.loads((root / "table.json").read_text())
    middle_ms, low_ms = (1.01e3 * (table["base_s"] + sum(row[n] for row in table["seconds"])) for n in (1, 2))
    learning = ("--space", space, "--data", "digits", "--quick")
    target_ms = ("--latency-ms", f"{middle_ms:.4f}")
    latkit(root, "search", TARGETS[0], *learning, *target_ms, "--baseline", "random:1", "-o", "found")
    latkit(root, "search", TARGETS[0], *learning, *target_ms, "--latency-ms", f"{low_ms:.4f}", "-o", "pair")
    interrupted_search(root, TARGETS[0], *learning, *target_ms, "-o", "interrupted")
    for path in (*root.rglob("report.html"), *root.rglob("events.out.tfevents.*")):  # megabytes, never read back
        path.unlink()


if __name__ == "__main__":
    main()
