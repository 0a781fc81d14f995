"""The built-in op kinds. To add one, see CONTRIBUTING.md."""

from __future__ import annotations

from collections.abc import Mapping

from latkit.errors import UsageError
from latkit.ops.op import Attribute, Op, OpKind, Shape, Value, make_op, register_kind

ACTIVATIONS = ("none", "relu", "relu6", "hswish", "sigmoid")


def _spatial(size: int, stride: int) -> int:
    """Output size of a convolution padded by half its kernel: ceil(size / stride) for odd kernels."""
    return (size - 1) // stride + 1


def _batch_norm(channels: int) -> int:
    return 2 * channels


def _none(_: Op) -> int:
    """No MACs, no parameters."""
    return 0


def _odd_kernel(op: Op) -> None:
    if op.integer("kernel") % 2 == 0:
        raise UsageError(f"{op.kind}: expected an odd kernel, but found {op['kernel']}")


# conv: convolution, batch norm, activation


def _conv_output(op: Op) -> Shape:
    _, height, width = op.input_shape
    stride = op.integer("stride")
    return op.integer("out_channels"), _spatial(height, stride), _spatial(width, stride)


def _conv_weights(op: Op) -> int:
    return op.integer("out_channels") * op.input_shape[0] // op.integer("groups") * op.integer("kernel") ** 2


def _conv_macs(op: Op) -> int:
    _, height, width = op.output_shape
    return _conv_weights(op) * height * width


def _check_conv(op: Op) -> None:
    _odd_kernel(op)
    groups = op.integer("groups")
    if op.input_shape[0] % groups or op.integer("out_channels") % groups:
        raise UsageError(f"conv: expected channels that {groups} groups divide, but found {op.title}")


register_kind(
    OpKind(
        "conv",
        {
            "out_channels": Attribute(int, min_value=1),
            "kernel": Attribute(int, 3, min_value=1),
            "stride": Attribute(int, 1, min_value=1),
            "groups": Attribute(int, 1, min_value=1),
            "activation": Attribute(str, "relu6", ACTIVATIONS),
        },
        _conv_output,
        _conv_macs,
        lambda op: _conv_weights(op) + _batch_norm(op.integer("out_channels")),
        check=_check_conv,
    )
)

# mbconv: MobileNetV2's inverted residual (Sandler et al. 2018, section 3.3): 1x1 expansion (none for expansion 1),
# depthwise convolution, linear 1x1 projection; a residual where the shape is unchanged


def _keeps_shape(shape: Shape, attributes: Mapping[str, Value]) -> bool:
    return attributes["stride"] == 1 and attributes["out_channels"] == shape[0]


def _mbconv_hidden(op: Op) -> int:
    return op.input_shape[0] * op.integer("expansion")


def _mbconv_macs(op: Op) -> int:
    channels, height, width = op.input_shape
    out_channels, out_height, out_width = op.output_shape
    hidden = _mbconv_hidden(op)
    expand = channels * hidden * height * width if op["expansion"] != 1 else 0
    return expand + hidden * (op.integer("kernel") ** 2 + out_channels) * out_height * out_width


def _mbconv_parameters(op: Op) -> int:
    hidden, out_channels = _mbconv_hidden(op), op.integer("out_channels")
    expand = op.input_shape[0] * hidden + _batch_norm(hidden) if op["expansion"] != 1 else 0
    depthwise = hidden * op.integer("kernel") ** 2 + _batch_norm(hidden)
    return expand + depthwise + hidden * out_channels + _batch_norm(out_channels)


def _check_mbconv(op: Op) -> None:
    _odd_kernel(op)
    if op["residual"] and not _keeps_shape(op.input_shape, dict(op.attributes)):
        raise UsageError(f"mbconv: a residual needs an op that keeps its shape, but found {op.title}")


register_kind(
    OpKind(
        "mbconv",
        {
            "out_channels": Attribute(int, min_value=1),
            "kernel": Attribute(int, 3, min_value=1),
            "stride": Attribute(int, 1, min_value=1),
            "expansion": Attribute(int, 6, min_value=1),
            "activation": Attribute(str, "relu6", ACTIVATIONS),
            "residual": Attribute(bool, _keeps_shape),
        },
        _conv_output,
        _mbconv_macs,
        _mbconv_parameters,
        check=_check_mbconv,
    )
)

# linear: fully connected layer with a bias

register_kind(
    OpKind(
        "linear",
        {"out_features": Attribute(int, min_value=1)},
        lambda op: (op.integer("out_features"),),
        lambda op: op.input_shape[0] * op.integer("out_features"),
        lambda op: (op.input_shape[0] + 1) * op.integer("out_features"),
        input_ranks=(1,),
    )
)

# pool: average or maximum; kernel 0 pools the whole image and drops its two dimensions


def _pool_output(op: Op) -> Shape:
    channels, height, width = op.input_shape
    if op["kernel"] == 0:
        return (channels,)
    stride = op.integer("stride")
    return channels, _spatial(height, stride), _spatial(width, stride)


def _check_pool(op: Op) -> None:
    if op["kernel"] != 0:
        _odd_kernel(op)


register_kind(
    OpKind(
        "pool",
        {
            "function": Attribute(str, "average", ("average", "max")),
            "kernel": Attribute(int, 0, min_value=0),
            "stride": Attribute(int, 1, min_value=1),
        },
        _pool_output,
        _none,
        _none,
        check=_check_pool,
    )
)

# activation, flatten, skip

register_kind(
    OpKind(
        "activation",
        {"function": Attribute(str, "relu", ACTIVATIONS[1:])},
        lambda op: op.input_shape,
        _none,
        _none,
        input_ranks=(1, 3),
    )
)


def _flat(op: Op) -> Shape:
    channels, height, width = op.input_shape
    return (channels * height * width,)


register_kind(OpKind("flatten", {}, _flat, _none, _none))

register_kind(OpKind("skip", {}, lambda op: op.input_shape, _none, _none, input_ranks=(1, 3), is_identity=True))

OVERHEAD_PROBE = make_op("activation", (1, 1, 1), function="relu")
"""Equivalent to an empty network: its cost is the runtime's fixed cost of any run."""
