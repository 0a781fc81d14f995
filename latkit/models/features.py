"""What of an op decides its latency: roofline quantities and its attributes, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.ops import ACTIVATIONS, Op

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """The work in an op, as a processor sees it."""

    dense_macs: int
    """MACs of convolutions that mix channels and of matrix products: bound by arithmetic."""
    depthwise_macs: int
    """MACs of convolutions with one filter per channel: bound by memory more than by arithmetic."""
    elements: int
    """Numbers read and written between the parts of the op."""
    weights: int
    """Numbers read as weights."""


def work(op: Op) -> Work:
    """The work in an op of any kind; MBConv and grouped convolutions are taken apart."""
    inputs, outputs = math.prod(op.input_shape), math.prod(op.output_shape)
    if op.kind == "mbconv":
        channels, hidden = op.input_shape[0], op.input_shape[0] * op.integer("expansion")
        expanded, reduced = inputs // channels * hidden, outputs // op.integer("out_channels") * hidden
        depthwise = reduced * op.integer("kernel") ** 2
        elements = inputs + 2 * expanded + 2 * reduced + outputs * (2 if op["residual"] else 1)
        return Work(op.macs - depthwise, depthwise, elements, op.parameters)
    depthwise = op.macs if op.kind == "conv" and op.integer("groups") == op.input_shape[0] else 0
    return Work(op.macs - depthwise, depthwise, inputs + outputs, op.parameters)


def activation_peak(op: Op) -> int:
    """Most numbers that the op's activations hold at one time, input and output among them, each part run in turn."""
    inputs, outputs = math.prod(op.input_shape), math.prod(op.output_shape)
    if op.kind != "mbconv":
        return inputs + outputs
    hidden = op.input_shape[0] * op.integer("expansion")
    expanded, reduced = inputs * op.integer("expansion"), outputs // op.integer("out_channels") * hidden
    if op["expansion"] == 1:
        return inputs + reduced + outputs if op["residual"] else max(inputs + reduced, reduced + outputs)
    kept = inputs if op["residual"] else 0
    return max(inputs + expanded, kept + expanded + reduced, kept + reduced + outputs)


def roofline(op: Op) -> Floats:
    """Terms of the physical baseline, shape (5,): a latency is a non-negative sum of them."""
    amount = work(op)
    return np.array([1.0, amount.dense_macs, amount.depthwise_macs, amount.elements, amount.weights], dtype=np.float64)


def feature_names(kind_attributes: list[str]) -> list[str]:
    """Names of the entries of `features`, in order."""
    general = ["log_dense_macs", "log_depthwise_macs", "log_elements", "log_weights", "log_intensity"]
    shapes = ["channels_in", "size_in", "channels_out", "size_out", "hidden", "channels_in_mod_16", "hidden_mod_16"]
    return [*general, *shapes, *kind_attributes]


def features(op: Op) -> Floats:
    """Features of an op for regression among ops of its kind, as `feature_names` names them."""
    amount = work(op)
    hidden = op.input_shape[0] * (op.integer("expansion") if op.kind == "mbconv" else 1)
    logs = [math.log1p(n) for n in (amount.dense_macs, amount.depthwise_macs, amount.elements, amount.weights)]
    intensity = math.log1p(op.macs / (amount.elements + amount.weights))
    shapes = [op.input_shape[0], op.input_shape[-1], op.output_shape[0], op.output_shape[-1], hidden]
    remainders = [op.input_shape[0] % 16, hidden % 16]
    attributes = [_number(value) for _, value in op.attributes]
    return np.array([*logs, intensity, *shapes, *remainders, *attributes], dtype=np.float64)


def _number(value: int | float | str | bool) -> float:
    """An attribute as a number; words by their place among the known ones, unknown words as -1."""
    if isinstance(value, str):
        return float(ACTIVATIONS.index(value)) if value in ACTIVATIONS else -1.0
    return float(value)
