"""Modules that round as a quantized file would, while they are trained and judged in floats."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn

from latkit.errors import UsageError
from latkit.ops import Network
from latkit.search.quantization.fake_quantize import WeightQuantizer, rounded_per_image


class Rounding(NamedTuple):
    """What a precision rounds to 8 bits."""

    weights: bool
    activations: bool


ROUNDINGS: Mapping[str, Rounding] = MappingProxyType(
    {
        "fp32": Rounding(weights=False, activations=False),
        "fp16": Rounding(weights=False, activations=False),
        "int8": Rounding(weights=True, activations=True),
        "int8-dynamic": Rounding(weights=True, activations=True),
        "int8-weights": Rounding(weights=True, activations=False),
    }
)
"""By precision; in others nothing can be trained. 16-bit floats hardly differ from fp32."""

_ROUND_WEIGHTS = WeightQuantizer()


class RoundedConv2d(nn.Conv2d):
    """A convolution whose weights are rounded per output channel, and its input per image; gradients pass through."""

    rounds_input = True

    def forward(self, images: Tensor) -> Tensor:
        """As `nn.Conv2d`, on rounded values."""
        taken = rounded_per_image(images) if self.rounds_input else images
        out: Tensor = self._conv_forward(taken, _ROUND_WEIGHTS(self.weight), self.bias)
        return out


class RoundedLinear(nn.Linear):
    """The same of a fully connected layer."""

    rounds_input = True

    def forward(self, features: Tensor) -> Tensor:
        """As `nn.Linear`, on rounded values."""
        taken = rounded_per_image(features) if self.rounds_input else features
        return nn.functional.linear(taken, _ROUND_WEIGHTS(self.weight), self.bias)


_ROUNDED: Mapping[type[nn.Module], type[nn.Module]] = MappingProxyType(
    {nn.Conv2d: RoundedConv2d, nn.Linear: RoundedLinear}
)
_PLAIN = MappingProxyType({rounded: plain for plain, rounded in _ROUNDED.items()})


def computed_in(module: nn.Module, precision: str) -> nn.Module:
    """The module itself, which from now on rounds as this precision does. Names in its state stay what they are.

    Raises UsageError for a precision that cannot be trained in.
    """
    if precision not in ROUNDINGS:
        raise UsageError(f"expected a precision to train in among {', '.join(ROUNDINGS)}, but found {precision}")
    rounding = ROUNDINGS[precision]
    if rounding.weights:
        for part in module.modules():
            if type(part) in _ROUNDED:
                part.__class__ = _ROUNDED[type(part)]
                part.__dict__["rounds_input"] = rounding.activations
    return module


def network_computed_in(module: nn.Module, network: Network) -> nn.Module:
    """The module of a network (`latkit.nn.build_module`), each op rounding as its precision does."""
    for part, op in zip(module.children(), network.ops, strict=True):
        computed_in(part, op.precision)
    return module


def without_rounding(module: nn.Module) -> nn.Module:
    """A copy that computes in floats, for an exporter that quantizes it."""
    copied = copy.deepcopy(module)
    for part in copied.modules():
        if type(part) in _PLAIN:
            part.__dict__.pop("rounds_input", None)
            part.__class__ = _PLAIN[type(part)]
    return copied
