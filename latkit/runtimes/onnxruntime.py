"""onnxruntime: ONNX files, written by torch's TorchScript exporter."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from latkit.graphs import Graph
from latkit.graphs.onnx.softmax_scales import with_moderate_softmax
from latkit.graphs.reported import FusionReport
from latkit.ops import Network
from latkit.runtimes.base import ExecutedOp, FileNode, NodesOf, Runtime, Wheels, check_dialect, release
from latkit.runtimes.quantization import Quantization

PREBUILT_BY = "torch.onnx 2.13.0 torchscript"
"""The exporter of the files in `onnx/prebuilt`, which are named by the workload's key and batch."""

_CODE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S+? failed:|"
    r"/\S+\.(?:cc|h|cpp):\d+ [\w:~<>]+\([^()]*\)(?: const)? "
)


class OnnxRuntime(Runtime):
    """ONNX, in fp32 or quantized by onnxruntime's own tools.

    The TorchScript exporter is deprecated but takes 10 ms for an op; the newer one takes 700 ms and needs onnxscript.
    Both write the same nodes for latkit's ops.
    """

    name = "onnxruntime"
    suffix = ".onnx"
    opset = 17
    precisions = ("fp32", "fp16", "int8", "int8-dynamic")
    graph_dialect = "onnx"
    converts_layouts = True
    reports_fusion = True
    in_results = True
    prebuilt = Path(__file__).parent / "onnx" / "prebuilt"
    prebuilt_by = PREBUILT_BY
    wheels = Wheels((("onnxruntime", "numpy"),), pinned_as="onnxruntime", by_default=True)

    @property
    def exporter(self) -> str:
        """Such as `torch.onnx 2.13.0 torchscript`: of the prebuilt files where torch is not installed."""
        try:
            return f"torch.onnx {release('torch')} torchscript"
        except PackageNotFoundError:
            return PREBUILT_BY

    @property
    def quantizer(self) -> str:
        """Such as `onnxruntime.quantization 1.31.1`."""
        return f"onnxruntime.quantization {release('onnxruntime')}"

    def export(self, module: Any, examples: Sequence[Any], path: Path) -> None:
        """Write an ONNX file, checked by onnx. Its input is `input` (`input0`, `input1`, ... of several), its output
        `output`."""
        import onnx
        import torch

        names = ["input"] if len(examples) == 1 else [f"input{index}" for index in range(len(examples))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # deprecated, and used on purpose: see the class
            torch.onnx.export(
                module,
                tuple(examples),
                path,
                dynamo=False,
                opset_version=self.opset,
                input_names=names,
                output_names=["output"],
            )
        onnx.checker.check_model(path, full_check=True)

    def embed_network(self, path: Path, network: Network) -> None:
        """Among the metadata of the file."""
        from latkit.runtimes.onnx.network import embed_network

        embed_network(path, network)

    def quantize(self, source: Path, module: Any, examples: Sequence[Any], plan: Quantization, path: Path) -> None:
        """Write an ONNX file with QuantizeLinear and DequantizeLinear around int8 parts (QDQ), weights per channel."""
        from latkit.runtimes.quantization.onnx_file import quantize_onnx

        with tempfile.TemporaryDirectory(prefix=".quantize-", dir=path.parent) as folder:
            written = Path(folder, "quantized.onnx")
            quantize_onnx(source, module, examples, plan, written)
            written.replace(path)

    def export_graph(self, graph: Graph, path: Path) -> None:
        """Write the graph's own operators, in its own opset, if the outputs match the record."""
        import onnx

        from latkit.runtimes.onnx.write import check_shapes, model_of_graph

        check_dialect(self, graph)
        check_shapes(graph)
        onnx.save(model_of_graph(graph, seed=int(graph.key[:15], 16)), path)

    def export_for_report(self, graph: Graph, path: Path) -> None:
        """Write the graph with names of nodes that onnxruntime's own nodes keep."""
        import onnx

        from latkit.runtimes.onnx.reported import name_nodes
        from latkit.runtimes.onnx.write import check_shapes, model_of_graph

        check_dialect(self, graph)
        check_shapes(graph)
        model = model_of_graph(graph, seed=int(graph.key[:15], 16))
        name_nodes(model)
        onnx.save(model, path)

    def fusion_report(self, graph: Graph, path: Path, executed: Sequence[ExecutedOp]) -> FusionReport | None:
        """The kernels of the graph that onnxruntime writes on this machine, if it is the one that the device executes.

        Both are the same if all nodes are. Processors differ in the memory layout alone: that is tried both ways.
        """
        from latkit.runtimes.onnx.reported import report_of
        from latkit.runtimes.onnx.session import RuntimeRefused, optimized_graphs

        names = sorted((_numberless(one.name), one.kind) for one in executed)
        try:
            for model in optimized_graphs(path):
                if sorted((_numberless(node.name), node.op_type) for node in model.graph.node) == names:
                    return report_of(graph, model)
        except RuntimeRefused:
            return None
        return None

    def quantized_graph(self, graph: Graph, precision: str) -> Graph:
        """Every operator in that precision that the quantizer can write."""
        from latkit.runtimes.quantization.file_quantizers import quantize_onnx_file, quantized_by

        return with_moderate_softmax(quantized_by(self, quantize_onnx_file, graph, precision))

    def read_graph(self, path: Path, shapes: Mapping[str, tuple[int, ...]], batch: int) -> Graph:
        """The graph of any ONNX file."""
        from latkit.runtimes.onnx.graph import read_graph

        return read_graph(path, shapes, batch)

    def short_reason(self, message: str) -> str:
        """Without the status, the agent's path of the file, and places in onnxruntime's code."""
        return _CODE.sub("", message)

    def nodes_of(self, nodes: Sequence[FileNode]) -> NodesOf:
        """By the names that onnxruntime derives from those of the nodes."""
        from latkit.runtimes.onnx.op_names import OpNames

        return OpNames(nodes)

    def load(self, path: Path) -> Callable[..., Any]:
        """A session on the CPU."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # importing it writes an id and a database otherwise
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_inputs()]

        def run(*inputs: Any) -> Any:
            (output,) = session.run(None, {name: one.numpy() for name, one in zip(names, inputs, strict=True)})
            return torch.from_numpy(output)

        return run


def _numberless(name: str) -> str:
    """A node's name without the number that tells equal names apart, which differs from one load to the next."""
    return re.sub(r"_token_\d+", "", name)


ONNXRUNTIME = OnnxRuntime()
