"""onnxruntime_unfused: onnxruntime without its graph optimizations, which latkit's own runtime has on."""

from __future__ import annotations

from pathlib import Path

from latkit.runtimes.onnxruntime import OnnxRuntime


class Unfused(OnnxRuntime):
    """ONNX files, run node by node."""

    name = "onnxruntime_unfused"
    agent_file = Path(__file__).with_name("loader.py")


UNFUSED = Unfused()
