"""Ops and networks as torch modules."""

from latkit.nn.modules import BUILDERS, ConvBatchNorm, GlobalPool, MBConv, build_module, example_input

__all__ = ["BUILDERS", "ConvBatchNorm", "GlobalPool", "MBConv", "build_module", "example_input"]
