"""Quantization of ONNX files by onnxruntime's own tools: QDQ per channel, dynamic ranges, float16."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from latkit.runtimes.quantization.onnx_static import with_own_constants, write_static
from latkit.runtimes.quantization.plan import INT8, Quantization
from latkit.runtimes.quantization.scopes import ScopeReader
from latkit.runtimes.silence import silenced

PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic")
"""What can be written."""

DYNAMIC_TYPES = ("Conv", "MatMul")
"""Operators with weights that quantize their inputs while they run."""


def quantize_onnx(source: Path, module: Any, examples: Sequence[Any], plan: Quantization, path: Path) -> None:
    """Write the fp32 file at `source`, exported from `module`, to `path` with every node in its precision.

    Activations of `int8` are unsigned and weights signed, per channel: processors multiply such a pair in one
    instruction, and onnxruntime's depthwise kernels are up to twice as fast as with signed activations.
    """
    groups = _nodes_by_precision(onnx.load(source), module, plan)
    current = source
    with silenced():
        if groups.get("int8-dynamic"):
            current = _dynamic(current, groups["int8-dynamic"], path.with_suffix(".dynamic.onnx"))
        if groups.get(INT8):
            names = [item.name for item in onnx.load(source).graph.input]
            static = path.with_suffix(".static.onnx")
            model = with_own_constants(onnx.load(current))
            write_static(model, static, _feeds(names, examples, plan), nodes_to_quantize=groups[INT8])
            current = static
        model = onnx.load(current)
        if groups.get("fp16"):
            model = _half(model, groups["fp16"])
    if not plan.float_io:
        _integer_io(model.graph)
    _remove_unused_constants(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _nodes_by_precision(model: onnx.ModelProto, module: Any, plan: Quantization) -> Mapping[str, list[str]]:
    """Names of the nodes of each precision."""
    reader = ScopeReader(module, lambda element, name, _: element == name or element.endswith(f".{name}"))
    groups: dict[str, list[str]] = {}
    for node in model.graph.node:
        *elements, _ = node.name.strip("/").split("/")
        submodule = reader.submodule(elements)
        groups.setdefault(plan.precision_of(submodule or ""), []).append(node.name)
    return groups


def _feeds(names: Sequence[str], examples: Sequence[Any], plan: Quantization) -> Iterator[dict[str, Any]]:
    for batch in plan.batches(examples):
        yield {name: one.numpy() for name, one in zip(names, batch, strict=True)}


def _dynamic(source: Path, nodes: Sequence[str], path: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source),
        str(path),
        op_types_to_quantize=list(DYNAMIC_TYPES),
        nodes_to_quantize=[*nodes, *(f"{name}_MatMul" for name in nodes)],  # a Gemm is split into that and an Add
        weight_type=QuantType.QUInt8,  # onnxruntime has ConvInteger for unsigned weights only
    )
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "DynamicQuantizeLinear":  # QDQ gives its nodes and scales for the same tensor the same names
            node.name = f"{node.name}_dynamic"
            for place, name in enumerate(node.output):
                node.output[place] = f"{name}_dynamic"
                _replace_input(model.graph, name, node.output[place])
    onnx.save(model, path)
    return path


def _half(model: onnx.ModelProto, nodes: Sequence[str]) -> onnx.ModelProto:
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    others = [node.name for node in model.graph.node if node.name not in set(nodes)]
    converted = ONNXModel(convert_float_to_float16(model, keep_io_types=True, node_block_list=others))
    converted.topological_sort()  # its casts are appended at the end
    sorted_model: onnx.ModelProto = converted.model
    return sorted_model


def _integer_io(graph: onnx.GraphProto) -> None:
    """Give inputs that are quantized at once, and outputs that are dequantized last, as integers."""
    zero_points = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for item in graph.input:
        consumers = [node for node in graph.node if item.name in node.input]
        if consumers and all(node.op_type == "QuantizeLinear" for node in consumers):
            for node in consumers:
                _replace_input(graph, node.output[0], item.name)
                graph.node.remove(node)
            item.type.tensor_type.elem_type = zero_points.get(consumers[0].input[2], TensorProto.UINT8)
    producers = {name: node for node in graph.node for name in node.output}
    for item in graph.output:
        last = producers[item.name]
        before = producers.get(last.input[0]) if last.op_type == "DequantizeLinear" else None
        if before is not None and before.op_type == "QuantizeLinear":
            graph.node.remove(last)
            _replace_input(graph, before.output[0], item.name)
            before.output[0] = item.name
            item.type.tensor_type.elem_type = zero_points.get(before.input[2], TensorProto.UINT8)


def _remove_unused_constants(graph: onnx.GraphProto) -> None:
    """Remove the bounds of clipping that quantization replaced: onnxruntime warns about each when it loads the file."""
    used = {name for node in graph.node for name in node.input}
    for node in [node for node in graph.node if node.op_type == "Constant" and node.output[0] not in used]:
        graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _replace_input(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
