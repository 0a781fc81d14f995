"""Graphs as TFLite files: with the recorded options and quantization; weights are generated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latkit.errors import ExportError, MissingExtra
from latkit.graphs.graph import Constant, Graph, Node, Tensor
from latkit.graphs.node import QUANTIZED
from latkit.graphs.tflite.nodes import OPTIONS, SCALES, VERSION
from latkit.runtimes.litert.schema import DTYPES

MAX_MODEL_BYTES = 2**31 - 2**20
"""Maximum size of a flatbuffer."""

SCHEMA_VERSION = 3
SIGNATURE = "serving_default"

_TYPES = {numpy_name: name for name, numpy_name in DTYPES.items()} | {"int4": "INT4"}


def write_tflite(graph: Graph, seed: int) -> bytes:
    """The graph as a TFLite file, its weights drawn from the seed. Raises ExportError and MissingExtra."""
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingExtra("ai-edge-litert", "tflite") from error
    size = sum(constant.tensor.elements * _bytes(constant.tensor) for constant in graph.constants)
    if size > MAX_MODEL_BYTES:
        raise ExportError(f"{graph.title}: expected weights of at most 2 GiB in a TFLite file, but found {size} bytes")
    builder = flatbuffers.Builder(size + 2**16)
    builder.Finish(_Writing(schema, graph, np.random.default_rng(seed)).model().Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Writing:
    """Builds the schema's own records, which pack themselves."""

    def __init__(self, schema: Any, graph: Graph, rng: np.random.Generator) -> None:
        self.schema = schema
        self.graph = graph
        self.rng = rng
        self.codes: dict[tuple[str, int], int] = {}

    def model(self) -> Any:
        """The file's root."""
        schema, graph = self.schema, self.graph
        buffers, tensors, given = [schema.BufferT()], [], len(graph.inputs)
        for number, tensor in enumerate(graph.tensors()):
            constant = graph.constant(number)
            if constant is not None:
                buffers.append(schema.BufferT(data=_data(self._values(constant), constant.tensor)))
            tensors.append(self._tensor(tensor, f"v{number}", len(buffers) - 1 if constant is not None else 0))
        subgraph = schema.SubGraphT(
            tensors=tensors,
            inputs=list(range(given)),
            outputs=list(graph.outputs),
            operators=list(self._operators()),
            name="main",
        )
        codes = [self._code(kind, version) for kind, version in self.codes]
        return schema.ModelT(
            SCHEMA_VERSION, codes, [subgraph], "latkit", buffers, signatureDefs=[self._signature(given)]
        )

    def _signature(self, given: int) -> Any:
        """The signature of the file's only graph."""
        schema = self.schema
        inputs = [schema.TensorMapT(f"args_{number}", number) for number in range(given)]
        outputs = [schema.TensorMapT(f"output_{place}", number) for place, number in enumerate(self.graph.outputs)]
        return schema.SignatureDefT(inputs, outputs, SIGNATURE)

    def _operators(self) -> Any:
        first = self.graph.first_outputs()
        for node, start in zip(self.graph.nodes, first, strict=True):
            code = self.codes.setdefault((node.op, int(node.get(VERSION, 1))), len(self.codes))
            kind, options = self._options(node)
            yield self.schema.OperatorT(
                code,
                [*node.inputs],
                list(range(start, start + len(node.outputs))),
                builtinOptionsType=kind,
                builtinOptions=options,
            )

    def _code(self, kind: str, version: int) -> Any:
        number = getattr(self.schema.BuiltinOperator, kind, None)
        if number is None:
            raise ExportError(f"{self.graph.title}: expected operators of TFLite's schema, but found {kind[:50]!r}")
        deprecated = min(number, self.schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
        return self.schema.OperatorCodeT(deprecatedBuiltinCode=deprecated, version=version, builtinCode=number)

    def _options(self, node: Node) -> tuple[int, Any]:
        """Number and record of the operator's options; none where it has none."""
        name = str(node.get(OPTIONS, ""))
        if not name:
            return 0, None
        kind, record = getattr(self.schema.BuiltinOptions, name, None), getattr(self.schema, f"{name}T", None)
        if not name.endswith("Options") or kind is None or record is None:
            raise ExportError(f"{self.graph.title}: expected options of TFLite's schema, but found {name[:50]!r}")
        options = record()
        for setting, value in node.attributes:
            if setting in (OPTIONS, SCALES, VERSION):
                continue
            if setting not in vars(options):
                raise ExportError(f"{self.graph.title}: expected an option of {name}, but found {setting[:50]!r}")
            setattr(options, setting, list(value) if isinstance(value, tuple) else value)
        return kind, options

    def _tensor(self, tensor: Tensor, name: str, buffer: int) -> Any:
        kind = getattr(self.schema.TensorType, _TYPES[tensor.type])
        quantization = tensor.quantization
        if quantization is None:
            return self.schema.TensorT([*tensor.shape], kind, buffer, name, hasRank=True)
        axis = quantization.axis
        count = tensor.shape[axis] if axis is not None and axis < len(tensor.shape) else 1
        parameters = self.schema.QuantizationParametersT(
            scale=[quantization.scale] * count,
            zeroPoint=[quantization.zero_point] * count,
            quantizedDimension=axis or 0,
        )
        return self.schema.TensorT([*tensor.shape], kind, buffer, name, parameters, hasRank=True)

    def _values(self, constant: Constant) -> NDArray[Any]:
        tensor = constant.tensor
        shape = tensor.shape
        dtype = "int8" if tensor.type == "int4" else tensor.type
        if constant.values is not None:
            return np.array(constant.values, dtype).reshape(shape)
        if tensor.type in QUANTIZED and tensor.quantization is not None:
            bound = 8 if tensor.type == "int4" else 100
            values = self.rng.integers(-bound, bound, shape, dtype=np.int16)
            return (values + (128 if tensor.type == "uint8" else 0)).astype(dtype)
        if not tensor.type.startswith("float"):  # sums of products, or an index that is valid in any tensor
            return np.zeros(shape, dtype)
        if len(shape) >= 2:
            fan_in = max(math.prod(shape[1:]), 1)
            return (self.rng.standard_normal(shape, np.float32) / np.float32(math.sqrt(fan_in))).astype(dtype)
        return self.rng.uniform(0.5, 1.5, shape).astype(dtype)  # scales and biases: positive and not near zero


def _bytes(tensor: Tensor) -> int:
    return 1 if tensor.type == "int4" else np.dtype(tensor.type).itemsize


def _data(values: NDArray[Any], tensor: Tensor) -> NDArray[np.uint8]:
    """The bytes of a constant; two numbers of 4 bits share one."""
    if tensor.type != "int4":
        return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    flat = np.append(values.reshape(-1), np.zeros(values.size % 2, values.dtype)).astype(np.uint8) & 15
    return (flat[::2] | (flat[1::2] << 4)).astype(np.uint8)
