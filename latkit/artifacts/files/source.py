"""What is known of a model file before it runs: its hash, its inputs with values, its external data, its operators."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latkit._io import write_bytes
from latkit.errors import BadFile
from latkit.graphs import ModelFile
from latkit.runtimes.artifact import BoundInput, FileArtifact
from latkit.runtimes.base import FileNode, Runtime

Values = Mapping[str, NDArray[np.generic]]
"""Values of the inputs by name, in the order of the file."""

ALIGNMENT = 64
"""Values begin at multiples of this many bytes."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """A model file, and what it is run on."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes of inputs whose file leaves sizes open."""
    inputs: Path | None = None
    """An `.npz` file with the values of all inputs; random ones if None."""
    signature: str = ""
    batch: int = 1
    """For a lone open batch."""


@dataclass(frozen=True, slots=True)
class FileOp:
    """An operator of a file, with the shapes that the file states; -1 for an open size."""

    name: str
    kind: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    """Element type and shape of each input, constants included; an empty type where the file states none."""
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    activation: str = ""
    reads: tuple[str, ...] = ()
    """Names of the values that it reads, where the file's format has names."""
    writes: tuple[str, ...] = ()

    @property
    def node(self) -> FileNode:
        """What a runtime finds it by."""
        return FileNode(self.name, self.kind, self.reads, self.writes)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model file that was read."""

    path: Path
    model: ModelFile
    content_sha256: str
    """SHA-256 of the file itself, without its external data."""
    values: Values
    external: tuple[tuple[str, Path, str], ...] = ()
    """External data: the name that the model gives it, its path, and its SHA-256."""
    operators: tuple[FileOp, ...] = ()
    """Operators of the file, in order."""
    opset: int = 0

    def artifact(self, runtime: Runtime, folder: Path) -> FileArtifact:
        """The file for a runtime, with its inputs' values in a file in `folder`."""
        packed, inputs = pack(self.values)
        sha256 = hashlib.sha256(packed).hexdigest()
        place = folder / f"{sha256}.bin"
        write_bytes(place, packed)
        return FileArtifact(
            path=self.path,
            sha256=self.content_sha256,
            runtime=runtime.name,
            exporter=runtime.exporter,
            opset=runtime.opset,
            values=place,
            values_sha256=sha256,
            inputs=inputs,
            external=self.external,
            signature=self.model.signature,
        )


def pack(values: Values) -> tuple[bytes, tuple[BoundInput, ...]]:
    """All values in one text of bytes, and where each is."""
    parts: list[bytes] = []
    inputs: list[BoundInput] = []
    offset = 0
    for name, array in values.items():
        inputs.append(BoundInput(name, str(array.dtype), array.shape, offset))
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts.append(content + bytes(-len(content) % ALIGNMENT))
        offset += len(parts[-1])
    return b"".join(parts) or bytes(ALIGNMENT), tuple(inputs)


def file_sha256(path: Path, expected: str) -> str:
    """SHA-256 of a file of any size. Raises BadFile."""
    try:
        if not path.is_file():
            raise BadFile(path, expected, "no such file" if not path.exists() else "no regular file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadFile(path, expected, error.strerror or "no readable file") from error


def joined_sha256(content: str, external: Sequence[tuple[str, Path, str]]) -> str:
    """The hash of a model: that of its file, or of all files with their names."""
    if not external:
        return content
    lines = [content, *(f"{sha256} {name}" for name, _, sha256 in sorted(external))]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def total_bytes(path: Path, external: Sequence[tuple[str, Path, str]]) -> int:
    """Size of all files together."""
    return sum(os.path.getsize(place) for place in (path, *(place for _, place, _ in external)))  # noqa: PTH202
