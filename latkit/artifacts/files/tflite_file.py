"""TFLite files as they are: signatures, inputs and operators, read by the schema; damaged offsets are errors."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
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
from latkit.errors import BadFile
from latkit.graphs import FileTensor, ModelFile
from latkit.runtimes.litert.schema import DTYPES, EXPECTED, Schema, bounded

PASSING = frozenset({"CAST", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "SLICE", "STRIDED_SLICE", "TRANSPOSE"})
TABLES = {"GATHER": (0, 1), "EMBEDDING_LOOKUP": (1, 0)}
"""Operators that index a table: the place of the table, and of the ids."""

MAX_NAME_CHARS = 200


def read_tflite(request: SourceRequest) -> ModelSource:
    """A TFLite file with its inputs' values. Raises BadFile and MissingExtra."""
    path = request.path
    sha256 = file_sha256(path, EXPECTED)
    with reading(path, EXPECTED), path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        parsed = Schema(raw, path)
        signature, graph, names = parsed.signature(request.signature)
        operators = tuple(_operators(parsed, graph))
        specs = list(_specs(parsed, graph, names, _vocabularies(parsed, graph)))
        if request.inputs is not None:
            values = read_values(request.inputs, specs, path)
        else:
            values = random_values(specs, resolve_shapes(specs, request.shapes, request.batch, path), path)
        packed, _ = pack(values)
        record = ModelFile(
            sha256=sha256,
            format="tflite",
            inputs=described_inputs(values, real=request.inputs is not None),
            outputs=tuple(_outputs(parsed, graph)),
            inputs_sha256=values_sha256(packed),
            signature=signature,
            name=one_line(path.name, 200),
            file_bytes=len(raw),
            parameters=_parameters(parsed, graph),
        )
        return ModelSource(path, record, sha256, values, operators=operators)


def _specs(parsed: Schema, graph: Any, names: dict[int, str], tables: dict[int, int]) -> Iterator[InputSpec]:
    """The inputs of a graph. Raises BadFile for one that holds no numbers."""
    for place in bounded(graph.InputsLength()):
        index = int(graph.Inputs(place))
        kind, shape, name = parsed.tensor(graph, index)
        shown = names.get(index, name)
        if kind not in DTYPES:
            raise BadFile(parsed.path, "inputs of numbers", f"{one_line(shown, 80)!r} of {kind or 'no type'}")
        sizes = tuple(None if size < 0 else size for size in shape)
        yield InputSpec(shown, DTYPES[kind], sizes, tables.get(index))


def _outputs(parsed: Schema, graph: Any) -> Iterator[FileTensor]:
    """The outputs of a graph."""
    for place in bounded(graph.OutputsLength(), 4096):
        kind, shape, name = parsed.tensor(graph, int(graph.Outputs(place)))
        yield FileTensor(name[:1000], DTYPES.get(kind, kind.lower() or "unknown")[:40], shape)


def _operators(parsed: Schema, graph: Any) -> Iterator[FileOp]:
    """The operators of a graph, in order."""
    for place in bounded(graph.OperatorsLength()):
        found = graph.Operators(place)
        inputs = [parsed.tensor(graph, int(found.Inputs(n))) for n in bounded(found.InputsLength(), 4096)]
        outputs = [parsed.tensor(graph, int(found.Outputs(n))) for n in bounded(found.OutputsLength(), 4096)]
        yield FileOp(
            name=_name(outputs[0][2]) if outputs else str(place),
            kind=parsed.kind(found.OpcodeIndex()),
            inputs=tuple((kind, shape) for kind, shape, _ in inputs),
            outputs=tuple((kind, shape) for kind, shape, _ in outputs),
        )


def _name(text: str) -> str:
    """An operator's name. Converters join those of several modules: of a long text, only the first is used."""
    return one_line(text if len(text) <= MAX_NAME_CHARS else text.split(";", 1)[0], MAX_NAME_CHARS)


def _parameters(parsed: Schema, graph: Any) -> int:
    """Number of elements of constants with data in the file."""
    total = 0
    for index in bounded(graph.TensorsLength()):
        found = graph.Tensors(index)
        buffer = found.Buffer()
        if not 0 < buffer < parsed.model.BuffersLength():
            continue
        held = parsed.model.Buffers(buffer)
        if held is not None and (held.DataLength() or held.Size()):
            _, shape, _ = parsed.tensor(graph, index)
            elements = 1
            for size in shape:
                elements *= max(size, 0)
            total += min(elements, 2**50)
    return min(total, 2**62)


def _vocabularies(parsed: Schema, graph: Any) -> dict[int, int]:
    """By tensor, the number of rows of the smallest table that it indexes."""
    found: dict[int, int] = {}
    for place in reversed(bounded(graph.OperatorsLength())):
        op = graph.Operators(place)
        kind = parsed.kind(op.OpcodeIndex())
        inputs = [int(op.Inputs(n)) for n in bounded(op.InputsLength(), 4096)]
        if kind in TABLES and len(inputs) > max(TABLES[kind]):
            table, ids = (inputs[side] for side in TABLES[kind])
            shape = parsed.tensor(graph, table)[1]
            if shape and shape[0] > 0:
                found[ids] = min(shape[0], found.get(ids, 2**62))
        elif kind in PASSING and inputs:
            outputs = [int(op.Outputs(n)) for n in bounded(op.OutputsLength(), 4096)]
            passed = [found[index] for index in outputs if index in found]
            if passed:
                found[inputs[0]] = min([*passed, found.get(inputs[0], 2**62)])
    return found
