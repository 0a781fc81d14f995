"""Quantization of TFLite files by ai-edge-quantizer: a rule for every op of the file."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from latkit.errors import MissingExtra
from latkit.ops.precision import FP32
from latkit.runtimes.quantization.plan import INT8, Quantization
from latkit.runtimes.quantization.scopes import ScopeReader, last_module
from latkit.runtimes.silence import silenced

PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int4-dynamic", "int4-weights")
"""What can be written."""

WRAPPED = "wrapped"
"""Name that litert-torch's wrapper gives the module inside, which takes images with the channels last."""


def quantize_tflite(source: Path, module: Any, examples: Sequence[Any], plan: Quantization, path: Path) -> None:
    """Write the fp32 file at `source`, exported from `module`, to `path` with every op in its precision.

    Weights are quantized per channel. A file without an op that can be written in its precision stays as it is. Raises
    MissingExtra.
    """
    with silenced():
        try:
            from ai_edge_quantizer.quantizer import Quantizer
        except ImportError as error:
            raise MissingExtra("ai-edge-quantizer", "tflite") from error
        quantizer = Quantizer(str(source))
        for rule in _rules(source, module, examples, plan):
            _add_rule(quantizer, rule)
        if not quantizer.get_quantization_recipe():
            shutil.copyfile(source, path)
            return
        statistics = quantizer.calibrate(_signatures(source, examples, plan), num_threads=1)
        quantizer.quantize(statistics).export_model(str(path), overwrite=True)


class _Rule(NamedTuple):
    scope: str
    """Of an op, as ai-edge-quantizer names it: the names of its outputs."""
    operation: str
    """Its kind; `INPUT` and `OUTPUT` for the tensors of the graph."""
    precision: str


def _rules(source: Path, module: Any, examples: Sequence[Any], plan: Quantization) -> Iterator[_Rule]:
    """A rule for every op of the file that is not fp32; and for inputs and outputs that are integers."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils as flatbuffers

    reader, output = ScopeReader(module, _is_child), last_module(module, examples)
    file = flatbuffers.read_model(str(source))
    graph = file.subgraphs[0]
    ops = []
    for op in graph.operators:
        scope = flatbuffers.get_op_scope(op, graph.tensors)
        submodule = reader.submodule(_elements(scope))
        code = file.operatorCodes[op.opcodeIndex].builtinCode
        operation = flatbuffers.TFL_OP_CODE_TO_NAME.get(code)
        precision = plan.precision_of(output if submodule is None else submodule)
        ops.append((op, precision))
        if operation is not None and precision != FP32.name:
            yield _Rule(scope, operation, precision)
    if plan.float_io:
        return
    ends = [("INPUT", index, {p for op, p in ops if index in op.inputs}) for index in graph.inputs]
    ends += [("OUTPUT", index, {p for op, p in ops if index in op.outputs}) for index in graph.outputs]
    for operation, index, precisions in ends:
        if precisions == {INT8}:
            yield _Rule(f"{flatbuffers.get_tensor_name(graph.tensors[index])};", operation, INT8)


def _elements(scope: str) -> list[str]:
    """The path of the first tensor of a scope. A fused op's name lists the paths of all its parts, its last first."""
    elements = scope.partition(";")[0].split("/")
    wrapped = [place for place, element in enumerate(elements) if element.endswith(f"_{WRAPPED}")]
    return elements[wrapped[0] + 1 :] if wrapped else elements[1:]


def _is_child(element: str, name: str, child: Any) -> bool:
    """Whether an element such as `torch.nn.modules.conv.Conv2d_0` names a child."""
    return element == f"{type(child).__module__}.{type(child).__qualname__}_{name}"


def _add_rule(quantizer: Any, rule: _Rule) -> None:
    """Add a rule. An op that ai-edge-quantizer cannot write in the precision stays fp32."""
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.recipe import AlgorithmName

    regex, operation = f"^{re.escape(rule.scope)}$", TFLOperationName(rule.operation)
    bits = int(re.sub(r"\D", "", rule.precision))
    with contextlib.suppress(ValueError):  # raised for such an op
        if rule.precision == "fp16":
            quantizer.add_weight_only_config(regex, operation, bits, algorithm_key=AlgorithmName.FLOAT_CASTING)
        elif rule.precision.endswith("-dynamic"):
            quantizer.add_dynamic_config(regex, operation, bits)
        elif rule.precision.endswith("-weights"):
            quantizer.add_weight_only_config(regex, operation, bits)
        else:
            quantizer.add_static_config(regex, operation, activation_num_bits=bits, weight_num_bits=bits)


def _signatures(source: Path, examples: Sequence[Any], plan: Quantization) -> dict[str, list[dict[str, Any]]]:
    """Calibration inputs by signature and by name, as the file takes them: images with the channels last."""
    from ai_edge_litert.interpreter import Interpreter

    (signature, names), *_ = Interpreter(str(source)).get_signature_list().items()
    feeds = []
    for batch in plan.batches(examples):
        arrays = [one.permute(0, 2, 3, 1).contiguous().numpy() if one.dim() == 4 else one.numpy() for one in batch]
        feeds.append(dict(zip(sorted(names["inputs"], key=_number), arrays, strict=True)))
    return {signature: feeds}


def _number(name: str) -> int:
    found = re.search(r"(\d+)", name)
    return int(found[1]) if found else 0
