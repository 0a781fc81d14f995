"""Ops and networks built as torch modules."""

from latkit.nn.modules import GraphModule, build_module, example_input, example_inputs
from latkit.ops.layers import Block, ConvBatchNorm, GlobalPool

__all__ = ["Block", "ConvBatchNorm", "GlobalPool", "GraphModule", "build_module", "example_input", "example_inputs"]
