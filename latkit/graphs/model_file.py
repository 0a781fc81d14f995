"""The model file: a network as its own file, which a runtime loads unchanged; identified by its content."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from latkit._io import other_format
from latkit._io.reading import describe_error
from latkit.errors import UsageError
from latkit.ops import digest

FORMAT = "latkit-model-file-1"

FILE_FORMATS = ("onnx", "tflite", "torch")
"""File formats by name."""

MAX_TENSORS = 4096
"""Maximum number of inputs, and of outputs."""
MAX_SIDES = 64
MAX_NAME_CHARS = 1000
MAX_ELEMENTS = 2**62

Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class FileTensor:
    """An input or output of a model file. The shape is complete for inputs; an output's open sizes are -1."""

    name: Name
    type: Annotated[str, Field(max_length=40)]
    """Element type as numpy names it, such as `float32`, `int64`, `bool`."""
    shape: Annotated[tuple[int, ...], Field(max_length=MAX_SIDES)]
    low: float | None = None
    """Smallest value that is put in; None for outputs, and for real inputs."""
    high: float | None = None
    """Largest value that is put in. Token ids stay within the vocabulary."""

    def __post_init__(self) -> None:
        if any(size < -1 for size in self.shape) or math.prod(max(size, 1) for size in self.shape) > MAX_ELEMENTS:
            raise UsageError(f"expected a tensor of possible sizes, but found {str(self.shape)[:200]}")

    @property
    def elements(self) -> int:
        """Number of elements; 0 while a size is open."""
        return math.prod(self.shape) if all(size >= 0 for size in self.shape) else 0


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file with the inputs that it is run on. The same file on other inputs is another workload.

    `name` is for people and not part of the key, and so are the figures derived from the file.
    """

    workload_kind: ClassVar[str] = "model file"

    sha256: Sha256
    """SHA-256 of the file; with external data, of the hashes of all files (see `ModelSource`)."""
    format: Annotated[str, Field(pattern="^(onnx|tflite|torch)$")]
    inputs: Annotated[tuple[FileTensor, ...], Field(max_length=MAX_TENSORS)]
    outputs: Annotated[tuple[FileTensor, ...], Field(max_length=MAX_TENSORS)] = field(default=(), compare=False)
    inputs_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 of the values of all inputs."""
    signature: Name = ""
    """The signature of a TFLite file that is run; empty for the first."""
    name: Name = field(default="", compare=False)
    """The file's name."""
    file_bytes: Annotated[int, Field(ge=0, le=2**62)] = field(default=0, compare=False)
    """Size of all files together."""
    macs: Annotated[int, Field(ge=0, le=2**63 - 1)] = field(default=0, compare=False)
    """Multiply-accumulates of one run, as far as the file's shapes are known."""
    parameters: Annotated[int, Field(ge=0, le=2**63 - 1)] = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if self.format not in FILE_FORMATS or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise UsageError(f"expected a model file with its SHA-256, but found {self.format[:40]!r}")

    @property
    def key(self) -> str:
        """Hash of the file's content, its signature, and the inputs with their values."""
        inputs = [[tensor.name, tensor.type, list(tensor.shape)] for tensor in self.inputs]
        return digest([FORMAT, self.sha256, self.format, self.signature, inputs, self.inputs_sha256])

    @property
    def inputs_text(self) -> str:
        """The inputs with shapes and types, such as `x=1x3x224x224 float32`."""
        return ", ".join(f"{one.name}={'x'.join(map(str, one.shape)) or '1'} {one.type}" for one in self.inputs)

    @property
    def title(self) -> str:
        """Short name for people: files of one name differ, so part of the hash is included."""
        return f"{self.name or self.format} {self.sha256[:8]}"

    def to_json(self) -> dict[str, object]:
        """The record as a JSON document. Its `format` names the record, and `file_format` the file's."""
        document: dict[str, Any] = _MODEL_FILE.dump_python(self, mode="json")
        return {**document, "format": FORMAT, "file_format": self.format}

    @classmethod
    def from_json(cls, document: object) -> ModelFile:
        """The record of a JSON document, checked. Raises UsageError."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else None
            raise UsageError(f"expected a document of format {FORMAT!r}, but found {other_format(found, [FORMAT])}")
        columns = {name: value for name, value in document.items() if name not in ("format", "file_format")}
        try:
            return _MODEL_FILE.validate_python({**columns, "format": document.get("file_format")})
        except ValidationError as error:
            raise UsageError(f"expected a model file, but found {describe_error(error)}") from error


_MODEL_FILE = TypeAdapter(ModelFile)
