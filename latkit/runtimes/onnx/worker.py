"""onnxruntime in a process of its own: run as a script, it answers one JSON line per request.

A file can make onnxruntime abort, take all memory, or never end. Nothing here imports latkit.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

MAX_MEMORY_BYTES = 6 * 2**30
"""Limit of address space: models come without their weights, and libraries take 1 GB of it."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Load the model of a request. With `optimized`, write the model after optimization, basic unless `level` names
    another; with `run`, run it once."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if request["optimized"]:
        level = request.get("level", "ORT_ENABLE_BASIC")
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = request["optimized"]
    session = onnxruntime.InferenceSession(
        request["model"],
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=request["disabled"],
        enable_fallback=0,  # it would print on stdout and try again with other optimizations
    )
    if not request["run"]:
        return {}
    kinds = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool"}
    kinds |= {"tensor(int8)": "int8", "tensor(uint8)": "uint8"}
    feed = {item.name: np.ones(item.shape, kinds[item.type]) for item in session.get_inputs()}
    names = [item.name for item in session.get_outputs()]
    return {"shapes": {name: list(made.shape) for name, made in zip(names, session.run(names, feed), strict=True)}}


def serve() -> None:
    """Answer the requests on standard input until it ends. Standard output carries answers only, no output of
    libraries."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # importing it writes an id and a database otherwise
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    for line in sys.stdin:
        try:
            found = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common base
            found = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
