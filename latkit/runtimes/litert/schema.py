"""The schema of TFLite files, read through what LiteRT's package brings; damaged offsets are errors."""

from __future__ import annotations

import mmap
from functools import cached_property
from pathlib import Path
from typing import Any

from latkit._io import one_line
from latkit.errors import BadFile, MissingExtra

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
"""Names that numpy gives to the element types, by those of the schema."""


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
        for place in bounded(self.model.OperatorCodesLength()):
            code = self.model.OperatorCodes(place)
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            custom = code.CustomCode()
            name = names.get(number, f"BUILTIN_{number}")
            found.append(f"CUSTOM {custom.decode(errors='replace')}"[:80] if name == "CUSTOM" and custom else name)
        return found

    def signature(self, requested: str) -> tuple[str, Any, dict[int, str]]:
        """Key, graph, and names of the inputs by tensor, of a signature; the first one by default."""
        keys = {}
        for place in bounded(self.model.SignatureDefsLength()):
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
        for place in bounded(chosen.InputsLength()):
            entry = chosen.Inputs(place)
            names[int(entry.TensorIndex())] = (entry.Name() or b"").decode(errors="replace")
        index = chosen.SubgraphIndex()
        if index >= self.model.SubgraphsLength():
            raise BadFile(self.path, EXPECTED, f"a signature of the graph {index}, which it lacks")
        return key, self.model.Subgraphs(index), names

    def tensor(self, graph: Any, index: int) -> tuple[str, tuple[int, ...], str]:
        """Element type, shape with -1 for open sizes, and name of a tensor. An absent one has no type.

        Raises BadFile for a sparse one: its zeros are in no buffer, and the work on it is not that of its shape.
        """
        if index < 0:
            return "", (), ""
        if index >= graph.TensorsLength():
            raise BadFile(self.path, EXPECTED, f"an operator on the tensor {index}, which it lacks")
        found = graph.Tensors(index)
        lengths = found.ShapeSignatureLength() or found.ShapeLength()
        read = found.ShapeSignature if found.ShapeSignatureLength() else found.Shape
        shape = tuple(max(int(read(place)), -1) for place in bounded(lengths, MAX_SIDES))
        kind = self.types.get(found.Type(), f"TYPE_{found.Type()}")
        name = (found.Name() or b"").decode(errors="replace")
        if found.Sparsity() is not None:
            raise BadFile(self.path, "a network of dense tensors", f"{one_line(name, 80)!r}, which is sparse")
        return kind, shape, name

    def kind(self, index: int) -> str:
        """Name of an operator code."""
        if index >= len(self.kinds):
            raise BadFile(self.path, EXPECTED, f"an operator of the kind {index}, which it lacks")
        return self.kinds[index]


def bounded(length: int, maximum: int = MAX_ENTRIES) -> range:
    """The places of a list of that length. Raises ValueError for one that no file has."""
    if not 0 <= length <= maximum:
        raise ValueError(f"a list of {length} entries")
    return range(length)


def _names(enumeration: Any) -> dict[int, str]:
    """Names of a schema's enumeration by number."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
