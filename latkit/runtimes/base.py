"""The interface of a runtime: export of a torch module to a file that the runtime executes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from latkit.errors import ExportError
from latkit.graphs import Graph


def release(package: str) -> str:
    """The installed version of a package, without a build suffix: `2.13.0` of torch `2.13.0+cpu`.

    Raises importlib.metadata.PackageNotFoundError.
    """
    return version(package).partition("+")[0]


class Runtime(ABC):
    """One runtime, as the host uses it. Modules and tensors are torch's; they are typed `Any` here so that code that
    only needs this package's names, such as `latkit.devices`, does not import torch."""

    name: ClassVar[str]
    """As in a target."""
    suffix: ClassVar[str]
    """Suffix of its files, with the dot."""
    opset: ClassVar[int] = 0
    """ONNX opset of its files; 0 for other formats."""
    takes_graphs: ClassVar[bool] = False
    """Whether it can export external (ONNX) networks, and kernels of them."""
    requirements: ClassVar[tuple[str, ...]]
    """Pip requirements of a device that runs the files."""

    @property
    @abstractmethod
    def exporter(self) -> str:
        """Exporter and its version, such as `torch.jit 2.13.0`. Raises MissingExtra."""

    @abstractmethod
    def export(self, module: Any, example: Any, path: Path) -> None:
        """Write a module that is in evaluation mode to `path`, for inputs of exactly the shape of `example`.

        `example` is (N, C, H, W) or (N, features), float32. Raises MissingExtra, and whatever the exporter raises.
        """

    def export_graph(self, graph: Graph, path: Path) -> None:
        """Write an external network, or a kernel of one, with weights generated from its key. Raises ExportError."""
        raise ExportError(f"{path.name}: {graph.title} can be written for onnxruntime only, but found {self.name}")

    @abstractmethod
    def load(self, path: Path) -> Callable[[Any], Any]:
        """The file as a function on this machine, on one thread: from an input with the shape of the export's example
        to the output in torch's layout, float32. Raises MissingExtra."""

    def run(self, path: Path, example: Any) -> Any:
        """Run the file on this machine, once."""
        return self.load(path)(example)
