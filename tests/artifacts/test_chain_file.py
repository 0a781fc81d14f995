"""Chains in ONNX files, read with their weights: the network computes what the module computed."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from latkit.artifacts.chain_file import read_chain
from latkit.errors import BadFile, UsageError
from latkit.nn import build_module
from latkit.runtimes import get_runtime


def module() -> nn.Sequential:
    torch.manual_seed(0)
    found = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8),
        nn.ReLU6(),
        nn.Conv2d(8, 12, 1),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(12 * 4, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    )
    for norm in (one for one in found if isinstance(one, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
        nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]
    return found.eval()


def export(given: nn.Module, path: Path, *inputs: Tensor) -> Path:
    get_runtime("onnxruntime").export(given, inputs or (torch.zeros(1, 1, 8, 8),), path)
    return path


def test_a_chain_is_read_with_its_weights(tmp_path: Path) -> None:
    given = module()
    chain = read_chain(export(given, tmp_path / "chain.onnx"))
    kinds = [op.kind for op in chain.network.ops]
    assert kinds == ["conv", "pool", "conv", "conv", "flatten", "linear", "activation", "linear"]
    read = build_module(chain.network)
    read.load_state_dict(dict(chain.weights))
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(read.eval()(images), given(images), atol=1e-5, rtol=1e-4)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = images + self.body(images)
        return out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Residual(), "expected a chain of ops, but 2 nodes take"),
        (nn.Conv2d(1, 4, 3), r"\(Conv\): expected padding by 1, but found \[0, 0, 0, 0\]"),
        (nn.Softmax(1), r"\(Softmax\): expected a chain of Conv, "),
    ],
)
def test_what_is_no_chain_of_ops_is_refused_by_its_node(tmp_path: Path, given: nn.Module, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_chain(export(given, tmp_path / "other.onnx"))


def test_what_the_checker_refuses_is_named(tmp_path: Path) -> None:
    node, shapes = helper.make_node("Relu", ["x"], ["y"]), {"x": [1], "y": None}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    onnx.save(helper.make_model(helper.make_graph([node], "g", values[:1], values[1:])), tmp_path / "a.onnx")
    with pytest.raises(BadFile, match="checker refuses: Field 'shape' of 'type' is required"):
        read_chain(tmp_path / "a.onnx")
