"""The artifact: the file that a runtime loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
