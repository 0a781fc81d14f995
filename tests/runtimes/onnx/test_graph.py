from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from latkit.artifacts.export import export_subject
from latkit.artifacts.weights import for_inference, seeded_module
from latkit.errors import BadFile, ExportError
from latkit.graphs import Graph, GraphBuilder, node_macs, partition_graph
from latkit.graphs.dialects import units_of
from latkit.runtimes import get_runtime
from latkit.runtimes.onnx.graph import model_of_graph, read_graph
from latkit.runtimes.onnx.module import graph_of_module
from latkit.runtimes.onnx.network import embed_network, read_subject
from tests.builders import CELL, conv, network_of


class Block(nn.Module):
    """Convolution, batch norm, activation, gate, tokens, attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.gate = nn.Conv2d(16, 16, 1)
        self.attend = nn.Linear(16, 48)
        self.place = nn.Parameter(torch.randn(1, 64, 16))
        self.last = nn.LayerNorm(16)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = nn.functional.silu(self.norm(self.conv(image)))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = x.flatten(2).transpose(1, 2) + self.place
        query, key, value = self.attend(self.last(x)).chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(query, key, value)


def write(path: Path, module: nn.Module | None = None, size: int = 8, **settings: object) -> Path:
    """A module as an ONNX file: of the block above, for images of 8x8."""
    example = torch.randn(1, 3, size, size)
    torch.onnx.export(
        (module or Block()).eval(), (example,), path, dynamo=False, opset_version=17, input_names=["image"], **settings
    )
    return path


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def test_an_external_file_is_read_by_its_shapes(tmp_path: Path) -> None:
    graph = read_graph(write(tmp_path / "block.onnx"))
    assert graph.name == "block"
    assert [tensor.shape for tensor in graph.inputs] == [(1, 3, 8, 8)]
    assert graph.tensors()[graph.outputs[0]].shape == (1, 64, 16)
    assert graph.macs == 64 * 16 * 27 + 16 * 16 + 64 * 16 * 48 + 2 * 64 * 64 * 16
    kinds = {unit.kind for unit in units_of(graph)}
    assert kinds >= {"conv", "silu", "reduce", "sigmoid", "mul_broadcast", "layernormalization", "matmul", "softmax"}


def test_weights_need_not_be_there(tmp_path: Path) -> None:
    complete = read_graph(write(tmp_path / "block.onnx"))
    model = onnx.load(tmp_path / "block.onnx")
    apart = tmp_path / "apart.onnx"
    onnx.save_model(model, apart, save_as_external_data=True, location="weights.bin", size_threshold=500)
    (tmp_path / "weights.bin").unlink()
    assert read_graph(apart).key == complete.key


def test_what_is_written_from_a_graph_is_read_as_the_same_graph(tmp_path: Path) -> None:
    graph = read_graph(write(tmp_path / "block.onnx"))
    onnx.save(model_of_graph(graph, seed=1), tmp_path / "again.onnx")
    assert read_graph(tmp_path / "again.onnx").key == graph.key


def test_every_kernel_runs_separately_and_no_weight_is_zero(tmp_path: Path) -> None:
    graph = read_graph(write(tmp_path / "block.onnx"))
    parts = partition_graph(graph, {("conv", "silu")})
    for place in range(len(parts.kernels)):
        model = model_of_graph(parts.kernel_graph(place), seed=2)
        weights = (onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer)
        assert all(weight.all() for weight in weights if weight.dtype == np.float32)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feed = {item.name: np.ones(item.shape, np.float32) for item in session.get_inputs()}
        assert all(np.isfinite(output).all() for output in session.run(None, feed))


def test_dynamic_sizes_must_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "open.onnx", nn.Conv2d(3, 4, 3), dynamic_axes={"image": [0, 2, 3]})
    with pytest.raises(BadFile, match=r"--shape image=1,3,224,224"):
        read_graph(path)
    assert read_graph(path, {"image": (1, 3, 10, 12)}).inputs[0].shape == (1, 3, 10, 12)
    with pytest.raises(BadFile, match="an input named 'picture', but found inputs named image"):
        read_graph(path, {"picture": (1, 3, 8, 8)})


def test_an_open_batch_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "open.onnx", nn.Conv2d(3, 4, 3), dynamic_axes={"image": [0]})
    assert read_graph(path).inputs[0].shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("node", "kind", "message"),
    [
        (helper.make_node("Unknown", ["x"], ["y"]), TensorProto.FLOAT, "onnxruntime can read"),
        (helper.make_node("Relu", ["x"], ["y"]), TensorProto.FLOAT16, "32-bit floats"),
        (helper.make_node("NonZero", ["x"], ["y"]), TensorProto.FLOAT, "shapes are known"),
    ],
)
def test_what_cannot_be_read_says_why(node: onnx.NodeProto, kind: int, message: str, tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("y", TensorProto.INT64 if node.op_type == "NonZero" else kind, None)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", kind, [1, 4])], [output])
    path = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(BadFile, match=message):
        read_graph(path)


def test_a_torch_module_comes_in_by_the_same_door(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Block()
    graph = graph_of_module(module, torch.randn(1, 3, 8, 8))
    assert module.training, "as it was"
    assert graph.key == read_graph(write(tmp_path / "block.onnx", module)).key
    with pytest.raises(ExportError, match="cannot export Block"):
        graph_of_module(module, torch.randn(1, 4, 8, 8))


def test_a_network_with_branches_is_partitioned_into_kernels_that_do_all_its_work() -> None:
    module = for_inference(seeded_module(CELL))
    graph = graph_of_module(module, torch.randn(1, *CELL.input_shape))
    found = partition_graph(graph, [])
    works = [
        sum(node_macs(node, part.tensors()) for node in part.nodes)
        for part in map(found.kernel_graph, range(len(found.kernels)))
    ]
    assert sum(works) == CELL.macs
    assert {"Add", "Concat"} <= {node.op for node in graph.nodes}
    assert any(
        len(edges) > 1
        for edges in ([edge for edge in found.edges if edge.producer == k] for k in range(len(found.kernels)))
    )


def test_latkits_own_files_are_still_networks(tmp_path: Path) -> None:
    network = network_of(conv(8), name="own")
    path = tmp_path / "own.onnx"
    export_subject(get_runtime("onnxruntime"), network, path)
    assert isinstance(read_subject(path), Graph)
    embed_network(path, network)
    assert read_subject(path) == network


def test_a_graph_is_no_files_of_other_runtimes(tmp_path: Path) -> None:
    b = GraphBuilder()
    graph = b.graph([b.conv(b.input(1, 3, 8, 8), 4)])
    artifact = export_subject(get_runtime("onnxruntime"), graph, tmp_path / "graph.onnx")
    assert read_graph(artifact.path).key == graph.key
    with pytest.raises(ExportError, match="which takes no such graphs"):
        export_subject(get_runtime("torch"), graph, tmp_path / "graph.pt")
