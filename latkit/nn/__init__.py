"""Ops and networks built as torch modules."""

from latkit.nn.modules import build_module, example_input
from latkit.ops.layers import Block, ConvBatchNorm, GlobalPool

__all__ = ["Block", "ConvBatchNorm", "GlobalPool", "build_module", "example_input"]
