"""Quantization of a whole file without its module: every operator that the tool can write in the precision."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latkit._io import one_line
from latkit.errors import ExportError, LatkitError, MissingExtra, UsageError
from latkit.graphs import Graph
from latkit.runtimes.base import Runtime
from latkit.runtimes.quantization.onnx_static import Feed, with_own_constants, write_static
from latkit.runtimes.quantization.plan import INT8
from latkit.runtimes.silence import silenced

DYNAMIC = "int8-dynamic"
PRECISIONS = (INT8, DYNAMIC)
"""What a file can be written in."""

Feeds = Sequence[Feed]


def quantize_tflite_file(source: Path, path: Path, precision: str, feeds: Feeds) -> None:
    """Write a TFLite file in 8 bits by ai-edge-quantizer's default rules, per channel. Raises MissingExtra."""
    _check(precision)
    with silenced():
        try:
            from ai_edge_litert.interpreter import Interpreter
            from ai_edge_quantizer.qtyping import TFLOperationName
            from ai_edge_quantizer.quantizer import Quantizer
        except ImportError as error:
            raise MissingExtra("ai-edge-quantizer", "tflite") from error
        quantizer = Quantizer(str(source))
        add = quantizer.add_static_config if precision == INT8 else quantizer.add_dynamic_config
        add(".*", TFLOperationName.ALL_SUPPORTED, 8) if precision == DYNAMIC else add(
            ".*", TFLOperationName.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8
        )
        (signature, *_) = Interpreter(str(source)).get_signature_list()
        statistics = quantizer.calibrate({signature: [*feeds]}, num_threads=1) if precision == INT8 else None
        quantizer.quantize(statistics).export_model(str(path), overwrite=True)


def quantize_onnx_file(source: Path, path: Path, precision: str, feeds: Feeds) -> None:
    """Write an ONNX file in 8 bits by onnxruntime's default rules: QDQ per channel, or dynamic ranges."""
    _check(precision)
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with silenced():
        if precision == DYNAMIC:
            quantize_dynamic(str(source), str(path), weight_type=QuantType.QUInt8)
            return
        model = with_own_constants(onnx.load(source))
        write_static(model, path, iter(feeds), nodes_to_exclude=_of_constants(model.graph))


def _of_constants(graph: Any) -> list[str]:
    """Names of the nodes that compute with constants alone: rounded to 8 bits, sizes that they decide would change."""
    constants, found = {tensor.name for tensor in graph.initializer}, []
    for node in graph.node:
        if all(not name or name in constants for name in node.input):
            constants |= set(node.output)
            found.append(node.name)
    return [name for name in found if name]


def quantized_by(
    runtime: Runtime, quantize: Callable[[Path, Path, str, Feeds], None], graph: Graph, precision: str
) -> Graph:
    """The network after a quantizer of files, calibrated on random inputs. Raises ExportError."""
    _check(precision)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="latkit-") as folder:
        source, path = Path(folder, f"float{runtime.suffix}"), Path(folder, f"quantized{runtime.suffix}")
        runtime.export_graph(graph, source)
        names = runtime.read_graph(source, {}, 1).input_names
        shapes = zip(names, graph.inputs, strict=True)
        feeds = {name: rng.standard_normal(tensor.shape, np.float32) for name, tensor in shapes}
        try:
            quantize(source, path, precision, [feeds])
        except LatkitError:
            raise
        except Exception as error:  # a quantizer may raise anything
            reason = one_line(f"{type(error).__name__}: {error}", 300)
            raise ExportError(f"cannot quantize {graph.title} to {precision}: {reason}") from error
        return replace(runtime.read_graph(path, {}, 1), name=graph.name, input_names=(), node_names=())


def _check(precision: str) -> None:
    if precision not in PRECISIONS:
        raise UsageError(f"expected a precision among {', '.join(PRECISIONS)}, but found {precision!r}")
