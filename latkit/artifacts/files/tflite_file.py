"""TFLite files as they are: signatures, inputs and operators, read by the schema; damaged offsets are errors."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from latkit._io import one_line, reading
from latkit.artifacts.files.inputs import (
    InputSpec,
    described_inputs,
    random_values,
    read_values,
    resolve_shapes,
    values_sha256,
)
from latkit.artifacts.files.source import FileOp, ModelSource, SourceRequest, file_sha256, pack
from latkit.errors import BadFile, MissingExtra
from latkit.graphs import FileTensor, ModelFile

EXPECTED = "a model as TFLite"
MAX_ENTRIES = 500_000
"""Maximum length of a list in a file: tensors, operators, inputs."""
MAX_SIDES = 64

DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "INT64": "int64",
    "INT32": "int32",
    "INT16": "int16",
    "INT8": "int8",
    "UINT64": "uint64",
    "UINT32": "uint32",
    "UINT16": "uint16",
    "UINT8": "uint8",
    "BOOL": "bool",
}
PASSING = frozenset({"CAST", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "SLICE", "STRIDED_SLICE", "TRANSPOSE"})
TABLES = {"GATHER": (0, 1), "EMBEDDING_LOOKUP": (1, 0)}
"""Operators that index a table: the place of the table, and of the ids."""


def read_tflite(request: SourceRequest) -> ModelSource:
    """A TFLite file with its inputs' values. Raises BadFile and MissingExtra."""
    path = request.path
    sha256 = file_sha256(path, EXPECTED)
    with reading(path, EXPECTED), path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        parsed = Schema(raw, path)
        signature, graph, names = parsed.signature(request.signature)
        operators = tuple(parsed.operators(graph))
        specs = list(parsed.specs(graph, names, _vocabularies(parsed, graph)))
        if request.inputs is not None:
            values = read_values(request.inputs, specs, path)
        else:
            values = random_values(specs, resolve_shapes(specs, request.shapes, request.batch, path), path)
        packed, _ = pack(values)
        record = ModelFile(
            sha256=sha256,
            format="tflite",
            inputs=described_inputs(values, real=request.inputs is not None),
            outputs=tuple(parsed.outputs(graph)),
            inputs_sha256=values_sha256(packed),
            signature=signature,
            name=one_line(path.name, 200),
            file_bytes=len(raw),
            parameters=parsed.parameters(graph),
        )
        return ModelSource(path, record, sha256, values, operators=operators)


class Schema:
    """A file by the schema. Every list is bounded, and every index is checked."""

    def __init__(self, raw: mmap.mmap, path: Path) -> None:
        try:
            from ai_edge_litert import schema_py_generated as schema
        except ImportError as error:
            raise MissingExtra("ai-edge-litert", "tflite") from error
        self.path = path
        self.model = schema.Model.GetRootAs(raw, 0)
        self._schema = schema
        if not self.model.SubgraphsLength():
            raise BadFile(path, EXPECTED, "no graph in it")

    @cached_property
    def types(self) -> dict[int, str]:
        """Names of element types by number."""
        return _names(self._schema.TensorType)

    @cached_property
    def kinds(self) -> list[str]:
        """Names of the operator codes of the file."""
        names = _names(self._schema.BuiltinOperator)
        found = []
        for place in _range(self.model.OperatorCodesLength()):
            code = self.model.OperatorCodes(place)
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            custom = code.CustomCode()
            name = names.get(number, f"BUILTIN_{number}")
            found.append(f"CUSTOM {custom.decode(errors='replace')}"[:80] if name == "CUSTOM" and custom else name)
        return found

    def signature(self, requested: str) -> tuple[str, Any, dict[int, str]]:
        """Key, graph, and names of the inputs by tensor, of a signature; the first one by default."""
        keys = {}
        for place in _range(self.model.SignatureDefsLength()):
            found = self.model.SignatureDefs(place)
            keys[(found.SignatureKey() or b"").decode(errors="replace")] = found
        if requested and requested not in keys:
            known = one_line(", ".join(keys) or "none", 200)
            raise BadFile(self.path, f"a signature named {one_line(requested, 80)!r}", known)
        if not keys:
            return "", self.model.Subgraphs(0), {}
        key = requested or next(iter(keys))
        chosen = keys[key]
        names = {}
        for place in _range(chosen.InputsLength()):
            entry = chosen.Inputs(place)
            names[int(entry.TensorIndex())] = (entry.Name() or b"").decode(errors="replace")
        index = chosen.SubgraphIndex()
        if index >= self.model.SubgraphsLength():
            raise BadFile(self.path, EXPECTED, f"a signature of the graph {index}, which it lacks")
        return key, self.model.Subgraphs(index), names

    def tensor(self, graph: Any, index: int) -> tuple[str, tuple[int, ...], str]:
        """Element type, shape with -1 for open sizes, and name of a tensor. An absent one has no type."""
        if index < 0:
            return "", (), ""
        if index >= graph.TensorsLength():
            raise BadFile(self.path, EXPECTED, f"an operator on the tensor {index}, which it lacks")
        found = graph.Tensors(index)
        lengths = found.ShapeSignatureLength() or found.ShapeLength()
        read = found.ShapeSignature if found.ShapeSignatureLength() else found.Shape
        shape = tuple(max(int(read(place)), -1) for place in _range(lengths, MAX_SIDES))
        kind = self.types.get(found.Type(), f"TYPE_{found.Type()}")
        return kind, shape, (found.Name() or b"").decode(errors="replace")

    def specs(self, graph: Any, names: dict[int, str], tables: dict[int, int]) -> Iterator[InputSpec]:
        """The inputs of a graph. Raises BadFile for one that holds no numbers."""
        for place in _range(graph.InputsLength()):
            index = int(graph.Inputs(place))
            kind, shape, name = self.tensor(graph, index)
            shown = names.get(index, name)
            if kind not in DTYPES:
                raise BadFile(self.path, "inputs of numbers", f"{one_line(shown, 80)!r} of {kind or 'no type'}")
            sizes = tuple(None if size < 0 else size for size in shape)
            yield InputSpec(shown, DTYPES[kind], sizes, tables.get(index))

    def outputs(self, graph: Any) -> Iterator[FileTensor]:
        """The outputs of a graph."""
        for place in _range(graph.OutputsLength(), 4096):
            kind, shape, name = self.tensor(graph, int(graph.Outputs(place)))
            yield FileTensor(name[:1000], DTYPES.get(kind, kind.lower() or "unknown")[:40], shape)

    def operators(self, graph: Any) -> Iterator[FileOp]:
        """The operators of a graph, in order."""
        for place in _range(graph.OperatorsLength()):
            found = graph.Operators(place)
            inputs = [self.tensor(graph, int(found.Inputs(n))) for n in _range(found.InputsLength(), 4096)]
            outputs = [self.tensor(graph, int(found.Outputs(n))) for n in _range(found.OutputsLength(), 4096)]
            yield FileOp(
                name=one_line(outputs[0][2], 200) if outputs else str(place),
                kind=self.kind(found.OpcodeIndex()),
                inputs=tuple((kind, shape) for kind, shape, _ in inputs),
                outputs=tuple((kind, shape) for kind, shape, _ in outputs),
            )

    def kind(self, index: int) -> str:
        """Name of an operator code."""
        if index >= len(self.kinds):
            raise BadFile(self.path, EXPECTED, f"an operator of the kind {index}, which it lacks")
        return self.kinds[index]

    def parameters(self, graph: Any) -> int:
        """Number of elements of constants with data in the file."""
        total = 0
        for index in _range(graph.TensorsLength()):
            found = graph.Tensors(index)
            buffer = found.Buffer()
            if not 0 < buffer < self.model.BuffersLength():
                continue
            held = self.model.Buffers(buffer)
            if held is not None and (held.DataLength() or held.Size()):
                _, shape, _ = self.tensor(graph, index)
                elements = 1
                for size in shape:
                    elements *= max(size, 0)
                total += min(elements, 2**50)
        return min(total, 2**62)


def _vocabularies(parsed: Schema, graph: Any) -> dict[int, int]:
    """By tensor, the number of rows of the smallest table that it indexes."""
    found: dict[int, int] = {}
    for place in reversed(_range(graph.OperatorsLength())):
        op = graph.Operators(place)
        kind = parsed.kind(op.OpcodeIndex())
        inputs = [int(op.Inputs(n)) for n in _range(op.InputsLength(), 4096)]
        if kind in TABLES and len(inputs) > max(TABLES[kind]):
            table, ids = (inputs[side] for side in TABLES[kind])
            shape = parsed.tensor(graph, table)[1]
            if shape and shape[0] > 0:
                found[ids] = min(shape[0], found.get(ids, 2**62))
        elif kind in PASSING and inputs:
            outputs = [int(op.Outputs(n)) for n in _range(op.OutputsLength(), 4096)]
            passed = [found[index] for index in outputs if index in found]
            if passed:
                found[inputs[0]] = min([*passed, found.get(inputs[0], 2**62)])
    return found


def _range(length: int, most: int = MAX_ENTRIES) -> range:
    if not 0 <= length <= most:
        raise ValueError(f"a list of {length} entries")
    return range(length)


def _names(enumeration: Any) -> dict[int, str]:
    """Names of a schema's enumeration by number."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
