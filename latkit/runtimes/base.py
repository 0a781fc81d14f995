"""The interface of a runtime: what it is, how it exports to a file, and how a device gets it and loads the file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from latkit.errors import ExportError, UsageError
from latkit.graphs import Graph
from latkit.graphs.reported import FusionReport
from latkit.ops import Network
from latkit.runtimes.quantization import Quantization


def release(package: str) -> str:
    """The installed version of a package, without a build suffix: `2.13.0` of torch `2.13.0+cpu`.

    Raises importlib.metadata.PackageNotFoundError.
    """
    return version(package).partition("+")[0]


@dataclass(frozen=True, slots=True)
class Wheels:
    """The Python packages that a device needs to run a runtime's files."""

    alternatives: tuple[tuple[str, ...], ...]
    """Pip requirements, the preferred ones first."""
    pinned_as: str
    """Name of the exact wheels in `wheels.toml`; runtimes of the same package share it."""
    by_default: bool = False
    """Whether `latkit device doctor --install` installs them if no runtime is named."""


@dataclass(frozen=True, slots=True)
class ExecutedOp:
    """An op that a runtime's profiler reports."""

    name: str
    kind: str
    placement: str


@dataclass(frozen=True, slots=True)
class FileNode:
    """An operator of a model file, with the names of the values that it reads and writes."""

    name: str
    kind: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


NodesOf = Callable[[ExecutedOp], tuple[str, ...]]
"""The names of the nodes that an op computes, its own operator first; empty if unknown."""


class Runtime(ABC):
    """Everything about one runtime; no other code asks for its name.

    Modules and tensors are torch's. They are typed `Any`, and torch is imported inside functions only: targets name
    runtimes, and a target is a record.
    """

    name: ClassVar[str]
    """As in a target: letters, digits and underscores."""
    suffix: ClassVar[str]
    """Suffix of its files, with the dot."""
    opset: ClassVar[int] = 0
    """ONNX opset of its files; 0 for other formats."""
    graph_dialect: ClassVar[str] = ""
    """The dialect of the external networks that it can write, and kernels of them; empty if it writes none."""
    converts_layouts: ClassVar[bool] = False
    """Whether it stores tensors between some kernels in a layout of its own, so that neighbors save conversions."""
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    """The precisions that a target, and an op of a network, may have; the first is that of a target that names none."""
    uses_cpu_time: ClassVar[bool] = True
    """Whether the CPU time of a run is the time of its computation. A GPU computes while the CPU waits."""
    needs: ClassVar[str] = ""
    """Hardware that a device needs beside its processor, such as `CUDA`."""
    wheels: ClassVar[Wheels | None] = None
    """The packages that a device needs; None if they are installed there by hand."""
    agent_file: ClassVar[Path | None] = None
    """Python source that teaches the Python agent this runtime (see docs/agent-protocol.md)."""
    prebuilt: ClassVar[Path | None] = None
    """Folder of files that are used where torch is not installed to export them: KEY-bBATCH and the suffix."""
    prebuilt_by: ClassVar[str] = ""
    """The exporter of these files: where it is installed, they are used as well."""
    takes_benchmark_tool: ClassVar[bool] = False
    """Whether Google's `benchmark_model` runs its files too."""
    in_results: ClassVar[bool] = False
    """Whether a search writes the network that it found as a file of this runtime, whatever it was searched for."""
    export_setting: ClassVar[str] = ""
    """The setting of a search that leaves this file out; empty if it is always written."""
    interpreter: ClassVar[str] = ""
    """Placement of nodes that no delegate took, in its op profile; empty where it has no delegates."""
    reports_fusion: ClassVar[bool] = False
    """Whether its profiler's ops tell which nodes it computes at once: then no probe is needed."""

    @property
    def loader(self) -> str:
        """The name by which agents know it. A runtime may share another one's loader."""
        return self.name

    @property
    @abstractmethod
    def exporter(self) -> str:
        """Exporter and its version, such as `torch.jit 2.13.0`. Raises MissingExtra."""

    @property
    def quantizer(self) -> str:
        """The tool that quantizes its files, and its version. Raises MissingExtra."""
        return ""

    @abstractmethod
    def export(self, module: Any, examples: Sequence[Any], path: Path) -> None:
        """Write a module that is in evaluation mode to `path`, for inputs of exactly the shapes of `examples`.

        There is one example for each input: (N, C, H, W) or (N, features), float32. Raises MissingExtra, and whatever
        the exporter raises.
        """

    def embed_network(self, path: Path, network: Network) -> None:  # noqa: B027 - most formats have no room
        """Add the record of the network that a file computes to the file, where its format has room for one."""

    def quantize(
        self,
        source: Path,  # noqa: ARG002
        module: Any,  # noqa: ARG002
        examples: Sequence[Any],  # noqa: ARG002
        plan: Quantization,
        path: Path,
    ) -> None:
        """Write the file `source`, which `export` wrote of the module, with every part in the plan's precision.

        Raises ExportError, MissingExtra, and whatever the quantizer raises.
        """
        raise ExportError(f"{path.name}: expected {', '.join(sorted(plan.used()))}, but {self.name} exports fp32 only")

    def export_graph(self, graph: Graph, path: Path) -> None:
        """Write an external network, or a kernel of one, with weights generated from its key. Raises ExportError."""
        raise ExportError(f"{path.name}: {graph.title} cannot be written for {self.name}, which takes no such graphs")

    def quantized_graph(self, graph: Graph, precision: str) -> Graph:
        """The network as the runtime's quantizer writes it, with random weights and inputs.

        Raises ExportError, MissingExtra, and UsageError for a precision that files are not quantized to.
        """
        raise UsageError(f"expected a runtime that quantizes {graph.title} to {precision}, but found {self.name}")

    def read_graph(self, path: Path, shapes: Mapping[str, tuple[int, ...]], batch: int) -> Graph:
        """The graph of a file of this runtime's format; `shapes` and `batch` fill sizes that it leaves open.

        Raises BadFile and MissingExtra.
        """
        found = f"{path.name} for {self.name}, with {len(shapes)} shapes and batch {batch}"
        raise UsageError(f"expected a runtime whose files are read as graphs, but found {found}")

    def export_for_report(self, graph: Graph, path: Path) -> None:
        """Write an external network so that `fusion_report` can read how it is executed. Raises ExportError."""
        self.export_graph(graph, path)

    def fusion_report(
        self,
        graph: Graph,  # noqa: ARG002
        path: Path,  # noqa: ARG002
        executed: Sequence[ExecutedOp],  # noqa: ARG002
    ) -> FusionReport | None:
        """The kernels of a graph, from the ops that a device's profiler reports of the file `export_for_report` wrote.

        None where the runtime does not report which nodes a kernel computes, or reports others than are known here.
        """
        return None

    def short_reason(self, message: str) -> str:
        """The runtime's reason for rejecting a model, without what is about the runtime's own code."""
        return message

    def nodes_of(self, nodes: Sequence[FileNode]) -> NodesOf:
        """Finds the nodes of a file that an op computes, for a runtime whose profiler reports nodes of the file.

        Here the node has the op's name.
        """
        names = {node.name for node in nodes}
        return lambda op: (op.name,) if op.name in names else ()

    @abstractmethod
    def load(self, path: Path) -> Callable[..., Any]:
        """The file as a function on this machine, on one thread: from inputs with the shapes of the export's examples
        to the output in torch's layout, float32. Raises MissingExtra."""

    def run(self, path: Path, *inputs: Any) -> Any:
        """Run the file on this machine, once."""
        return self.load(path)(*inputs)


def check_dialect(runtime: Runtime, graph: Graph) -> None:
    """Raise ExportError for a graph whose operators are not those of the runtime's files."""
    if graph.dialect != runtime.graph_dialect:
        raise ExportError(
            f"{graph.title}: expected operators of {runtime.graph_dialect or 'no dialect'} for {runtime.name}, "
            f"but found those of {graph.dialect}"
        )
