"""The interface of a runtime: how a torch module becomes a file that something else executes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from latkit.errors import ExportError
from latkit.graphs import Graph


def release(package: str) -> str:
    """The installed release of a package, without a build's own suffix: `2.13.0` of torch `2.13.0+cpu`.

    Raises importlib.metadata.PackageNotFoundError.
    """
    return version(package).partition("+")[0]


class Runtime(ABC):
    """One runtime, seen from the host. Modules and tensors are torch's; they are typed `Any` here so that whoever needs
    only the words of this package, as devices do, does not import torch.
    """

    name: ClassVar[str]
    """As in a target."""
    suffix: ClassVar[str]
    """Ending of its files, with the dot."""
    opset: ClassVar[int] = 0
    """ONNX opset of its files; 0 where the format has none."""
    takes_graphs: ClassVar[bool] = False
    """Whether networks that come as ONNX files, and kernels of them, can be written for it."""
    requirements: ClassVar[tuple[str, ...]]
    """What pip has to install on a device so that it can run the files."""

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
        """Write a foreign network, or a kernel of one, with weights made up from its key. Raises ExportError."""
        raise ExportError(f"{path.name}: {graph.title} can be written for onnxruntime only, but found {self.name}")

    @abstractmethod
    def load(self, path: Path) -> Callable[[Any], Any]:
        """The file as a function on this machine, on one thread: from an input like the example that it was exported
        with, to the output in torch's layout, float32. Raises MissingExtra.
        """

    def run(self, path: Path, example: Any) -> Any:
        """Run the file on this machine, once."""
        return self.load(path)(example)
