"""Default attributes in normal form, so that equal nodes have equal keys: exporters may leave out defaults.

Attributes that determine the amount of work are always present; others are dropped where they equal the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latkit.graphs.node import ABSENT, Node, Setting, Tensor
from latkit.graphs.onnx.macs import RECURRENT

POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
SOFTMAXES = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
REDUCTIONS = frozenset(
    f"Reduce{name}" for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
)

FILLED: Mapping[str, Mapping[str, Setting]] = {
    "AveragePool": {"count_include_pad": 0},
    "BatchNormalization": {"epsilon": 1e-05},
    "Elu": {"alpha": 1.0},
    "Flatten": {"axis": 1},
    "Gather": {"axis": 0},
    "GatherElements": {"axis": 0},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "InstanceNormalization": {"epsilon": 1e-05},
    "LayerNormalization": {"axis": -1, "epsilon": 1e-05},
    "LeakyRelu": {"alpha": 0.01},
    "Pad": {"mode": "constant"},
    "Resize": {
        "coordinate_transformation_mode": "half_pixel",
        "mode": "nearest",
        "nearest_mode": "round_prefer_floor",
    },
    "ScatterElements": {"axis": 0},
    "Split": {"axis": 0},
    "TopK": {"axis": -1},
    **{op: {"axis": -1} for op in SOFTMAXES},
    **{op: {"keepdims": 1} for op in REDUCTIONS},
    **{op: {"axis": 0, "keepdims": 1} for op in ("ArgMax", "ArgMin")},
    **{op: {"direction": "forward"} for op in RECURRENT},
}
"""Always present."""

DROPPED: Mapping[str, Mapping[str, Setting]] = {
    "BatchNormalization": {"momentum": 0.9, "training_mode": 0},
    "Celu": {"alpha": 1.0},
    "CumSum": {"exclusive": 0, "reverse": 0},
    "DepthToSpace": {"mode": "DCR"},
    "GatherND": {"batch_dims": 0},
    "Gelu": {"approximate": "none"},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "LayerNormalization": {"stash_type": 1},
    "Mod": {"fmod": 0},
    "Reshape": {"allowzero": 0},
    "Resize": {
        "antialias": 0,
        "cubic_coeff_a": -0.75,
        "exclude_outside": 0,
        "extrapolation_value": 0.0,
        "keep_aspect_ratio_policy": "stretch",
    },
    "ScatterElements": {"reduction": "none"},
    "ScatterND": {"reduction": "none"},
    "TopK": {"largest": 1, "sorted": 1},
    "Trilu": {"upper": 1},
    "LSTM": {"input_forget": 0, "layout": 0},
    "GRU": {"layout": 0, "linear_before_reset": 0},
    "RNN": {"layout": 0},
    "MaxPool": {"ceil_mode": 0, "storage_order": 0},
    "AveragePool": {"ceil_mode": 0},
    "LpPool": {"ceil_mode": 0, "p": 2},
    **{op: {"noop_with_empty_axes": 0} for op in REDUCTIONS},
    **{op: {"select_last_index": 0} for op in ("ArgMax", "ArgMin")},
}
"""Dropped where they have this value."""

_ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}

_FROM_THE_END = SOFTMAXES | {"LayerNormalization", "TopK"}
"""Operators whose axis counts from the end: -1 is the last one, for any rank. Others count from 0."""

_ONE_AXIS = _FROM_THE_END | {"Concat", "Flatten", "Gather", "GatherElements", "ScatterElements", "Split"}


def with_defaults(node: Node, tensors: Sequence[Tensor], opset: int) -> Node:
    """The node with normalized attributes, given the tensors of the values before it."""
    shapes = [tensors[number].shape if number != ABSENT else () for number in node.inputs]
    settings = dict(node.attributes)
    filled = dict(FILLED.get(node.op, {}))
    if node.op in SOFTMAXES and opset < 13:
        filled["axis"] = 1
    settings = {**filled, **settings}
    if node.op in CONVOLUTIONS or node.op in POOLS:
        _fill_windows(node, shapes, settings)
    if node.op in RECURRENT:
        _fill_recurrent(node.op, shapes, settings)
    if node.op == "Transpose" and shapes:
        settings.setdefault("perm", tuple(reversed(range(len(shapes[0])))))
    if node.op in _ONE_AXIS and shapes and not (node.op in SOFTMAXES and opset < 13):
        axis = _axis(node.op, settings.get("axis"), len(shapes[0]))
        settings |= {} if axis is None else {"axis": axis}
    dropped = DROPPED.get(node.op, {})
    remaining = {name: value for name, value in settings.items() if not (name in dropped and dropped[name] == value)}
    if tuple(sorted(remaining.items())) == node.attributes:
        return node
    return replace(node, attributes=tuple(remaining.items()))


def _axis(op: str, axis: Setting | None, rank: int) -> Setting | None:
    """The same axis, in the operator's direction of counting."""
    if type(axis) is not int or not -rank <= axis <= rank:
        return axis
    if op in _FROM_THE_END:
        return axis - rank if 0 <= axis < rank else axis
    return axis + rank if axis < 0 else axis


def _fill_windows(node: Node, shapes: Sequence[tuple[int, ...]], settings: dict[str, Setting]) -> None:
    """Kernel, strides, padding, dilations and groups of a convolution or pool."""
    if node.op in CONVOLUTIONS:
        settings.setdefault("group", 1)
        if len(shapes) > 1:
            settings.setdefault("kernel_shape", shapes[1][2:])
    kernel = settings.get("kernel_shape")
    if not isinstance(kernel, tuple):
        return
    ones = (1,) * len(kernel)
    settings.setdefault("strides", ones)
    if node.op in CONVOLUTIONS:
        settings.setdefault("dilations", ones)
    elif settings.get("dilations") == ones:
        del settings["dilations"]
    if settings.get("output_padding") == (0,) * len(kernel):
        del settings["output_padding"]
    if node.op == "ConvTranspose" and str(settings.get("auto_pad", "NOTSET")).startswith("SAME"):
        return
    if "output_shape" not in settings:
        _fill_pads(node, shapes, settings)


def _fill_pads(node: Node, shapes: Sequence[tuple[int, ...]], settings: dict[str, Setting]) -> None:
    """Padding as numbers, from any notation."""
    kernel, strides = settings["kernel_shape"], settings["strides"]
    dilations = settings.get("dilations", strides and (1,) * len(strides) if isinstance(strides, tuple) else ())
    automatic = settings.pop("auto_pad", "NOTSET")
    assert isinstance(kernel, tuple)
    if automatic not in ("SAME_UPPER", "SAME_LOWER"):
        if automatic == "VALID":
            settings.pop("pads", None)
        settings.setdefault("pads", (0,) * 2 * len(kernel))
        return
    sizes = shapes[0][2:], node.outputs[0].shape[2:], kernel, strides, dilations
    if not all(isinstance(one, tuple) and len(one) == len(kernel) for one in sizes):
        settings["auto_pad"] = automatic
        return
    less, more = [], []
    numbers: list[tuple[int, ...]] = [tuple(int(n) for n in one) for one in sizes if isinstance(one, tuple)]
    for given, made, size, stride, dilation in zip(*numbers, strict=True):
        total = max((made - 1) * stride + (size - 1) * dilation + 1 - given, 0)
        less.append(total // 2)
        more.append(total - total // 2)
    settings["pads"] = (*less, *more) if automatic == "SAME_UPPER" else (*more, *less)


def _fill_recurrent(op: str, shapes: Sequence[tuple[int, ...]], settings: dict[str, Setting]) -> None:
    if len(shapes) > 2 and shapes[2]:
        settings.setdefault("hidden_size", shapes[2][-1])
    directions = 2 if settings.get("direction") == "bidirectional" else 1
    if settings.get("activations") == _ACTIVATIONS[op] * directions:
        del settings["activations"]
