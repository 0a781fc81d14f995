"""The artifact: the file that a runtime loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from latkit.ops import digest


@dataclass(frozen=True, slots=True)
class Artifact:
    """An op or a network exported for one runtime. Named by its content, so a device needs it only once."""

    path: Path
    sha256: str
    runtime: str
    """Name of the runtime that runs it, as in a target."""
    exporter: str
    """Exporter and its version, such as `torch.onnx 2.13.0`."""
    opset: int
    """ONNX opset; 0 for other formats."""

    @property
    def load_key(self) -> str:
        """What distinguishes loaded models: the same file may be loaded in several ways."""
        return self.sha256

    def files(self) -> Iterator[tuple[Path, str]]:
        """Every file that the device needs, with its SHA-256."""
        yield self.path, self.sha256

    def load_fields(self) -> Mapping[str, object]:
        """Fields of the agent's request `load` beyond those of every model."""
        return {}


@dataclass(frozen=True, slots=True)
class BoundInput:
    """An input's values: a part of a file, in C order and little-endian."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class FileArtifact(Artifact):
    """A user's own file, loaded unchanged, with the values of its inputs."""

    values: Path
    """The file with the values of all inputs."""
    values_sha256: str
    inputs: tuple[BoundInput, ...]
    external: tuple[tuple[str, Path, str], ...] = ()
    """External data: the name that the model gives it, its path on this machine, and its SHA-256."""
    signature: str = ""
    """The signature of a TFLite file that is run."""
    profiling: bool = False
    """Whether it is loaded with the runtime's profiler."""

    @property
    def load_key(self) -> str:
        """The file, its inputs, and whether it is profiled."""
        return digest([self.sha256, *(sha256 for _, _, sha256 in self.external), self.load_fields()])

    def files(self) -> Iterator[tuple[Path, str]]:
        """The model, its external data, and the values of its inputs."""
        yield self.path, self.sha256
        yield from ((path, sha256) for _, path, sha256 in self.external)
        yield self.values, self.values_sha256

    def load_fields(self) -> Mapping[str, object]:
        """Inputs, external data, signature and profiler, as the protocol names them."""
        inputs = [
            {"name": one.name, "dtype": one.dtype, "shape": list(one.shape), "offset": one.offset}
            for one in self.inputs
        ]
        fields: dict[str, object] = {"bindings": {"sha256": self.values_sha256, "inputs": inputs}}
        if self.external:
            fields["external"] = [{"location": name, "sha256": sha256} for name, _, sha256 in self.external]
        if self.signature:
            fields["signature"] = self.signature
        if self.profiling:
            fields["profile"] = True
        return fields

    def profiled(self) -> Self:
        """The same, loaded with the runtime's profiler."""
        return replace(self, profiling=True)
