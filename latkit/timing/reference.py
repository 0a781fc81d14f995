"""The reference: a small fixed network, timed alternately with every workload (see docs/concepts/measuring.md)."""

from latkit.ops import Network, make_op

REFERENCE = Network(
    (
        make_op("conv", (16, 32, 32), out_channels=32, kernel=3),
        make_op("mbconv", (32, 32, 32), out_channels=32, kernel=5, expansion=3),
        make_op("pool", (32, 32, 32)),
    ),
    name="reference",
)
"""Convolution, depthwise convolution and 1x1 convolutions: the ops that mobile networks consist of."""
