"""A trained network whose ops can be switched between precisions, each computed as its quantized file would."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from latkit.artifacts.weights import for_inference
from latkit.errors import UsageError
from latkit.ops import Network
from latkit.ops.layers import Add, Block, Concat, ConvBatchNorm, GlobalPool
from latkit.search.quantization.fake_quantize import ActivationQuantizer, WeightQuantizer

JOINED = (ConvBatchNorm, nn.Linear, Block, GlobalPool, Add, Concat)
"""Modules whose output is rounded as a whole: runtimes fuse a convolution with its batch norm and activation."""
WEIGHTED = (nn.Conv2d, nn.Linear)
CALIBRATION_BATCH = 64


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a precision rounds."""

    weights: bool
    activations: str
    """A mode of `ActivationQuantizer`."""
    half: bool = False
    """Whether weights are rounded to 16-bit floats instead; activations then hardly differ."""


SIMULATED: Mapping[str, Simulated] = MappingProxyType(
    {
        "fp32": Simulated(weights=False, activations="off"),
        "fp16": Simulated(weights=False, activations="off", half=True),
        "int8": Simulated(weights=True, activations="static"),
        "int8-dynamic": Simulated(weights=True, activations="dynamic"),
        "int8-weights": Simulated(weights=True, activations="off"),
    }
)
"""By precision; others cannot be simulated."""


class QuantizedOp(nn.Module):
    """One op of a network, with batch norms folded: quantizers before it, at its weights, and after its parts."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.precision = SIMULATED["fp32"]
        self.entry = ActivationQuantizer()
        self.ends, self.inputs = nn.ModuleList(), nn.ModuleList()
        self._weights = WeightQuantizer()
        self._weighted = [name for name, part in body.named_modules() if isinstance(part, WEIGHTED)]
        for part in body.modules():
            if isinstance(part, JOINED) and (not isinstance(part, Block) or part.residual):
                self.ends.append(end := ActivationQuantizer())
                part.register_forward_hook(lambda _part, _inputs, output, end=end: end(output))
            if isinstance(part, WEIGHTED):
                self.inputs.append(taken := ActivationQuantizer())
                part.register_forward_pre_hook(lambda _part, inputs, taken=taken: (taken(inputs[0]),))

    def set(self, precision: Simulated) -> None:
        """Compute in this precision from now on."""
        self.precision = precision
        dynamic = precision.activations == "dynamic"
        for quantizer in self.inputs:
            quantizer.mode = "dynamic" if dynamic else "off"  # type: ignore[assignment]
        for quantizer in (self.entry, *self.ends):
            quantizer.mode = "off" if dynamic else precision.activations

    def forward(self, values: Tensor) -> Tensor:
        """The op's output."""
        values = self.entry(values)
        if not (self.precision.weights or self.precision.half):
            output: Tensor = self.body(values)
            return output
        names = [f"{name}.weight" if name else "weight" for name in self._weighted]
        changed = {name: self._rounded(self.body.get_parameter(name)) for name in names}
        return torch.func.functional_call(self.body, changed, (values,))  # type: ignore[no-any-return]

    def _rounded(self, weight: Tensor) -> Tensor:
        rounded: Tensor = weight.half().float() if self.precision.half else self._weights(weight)
        return rounded


class SimulatedNetwork(nn.Sequential):
    """A chain of ops: normalized images (N, C, H, W) to outputs. Batch norms are folded into the weights.

    It can be trained in the precisions that are set; `plain` is then the module to export.
    """

    def __init__(self, network: Network, module: nn.Module) -> None:
        """`module`: as `build_module(network)` makes it, trained. Raises UsageError for a network that is no chain."""
        if not network.is_chain:
            raise UsageError(f"expected a network that is a chain of ops, but found branches in {network.title}")
        plain = for_inference(module)
        bodies = [copy.deepcopy(body).requires_grad_(True) for body in plain.children()]
        super().__init__(*(QuantizedOp(body) for body in bodies))
        self.network = network
        self._plain = (plain,)  # in a tuple, so that it is no submodule

    def set_policy(self, precisions: Sequence[str]) -> None:
        """Compute every op in its precision. Raises UsageError for one that cannot be simulated."""
        for name in precisions:
            if name not in SIMULATED:
                raise UsageError(f"expected a precision among {', '.join(SIMULATED)}, but found {name}")
        for op, name in zip(self.ops(), precisions, strict=True):
            op.set(SIMULATED[name])

    def ops(self) -> list[QuantizedOp]:
        """The ops in order."""
        return [op for op in self.children() if isinstance(op, QuantizedOp)]

    def calibrate(self, images: Tensor) -> None:
        """Take the ranges of all activations from normalized images, in fp32. Raises UsageError for another shape."""
        expected = self.network.input_shape
        if tuple(images.shape[1:]) != expected or not len(images):
            raise UsageError(f"expected calibration images of shape (N, {', '.join(map(str, expected))}), but found "
                             f"{tuple(images.shape)}")  # fmt: skip
        before = [op.precision for op in self.ops()]
        for op in self.ops():
            op.set(Simulated(weights=False, activations="observe"))
            for quantizer in (op.entry, *op.ends):
                quantizer.low.zero_()
                quantizer.high.zero_()
        with torch.no_grad():
            for batch in torch.split(images, CALIBRATION_BATCH):
                self(batch)
        for op, precision in zip(self.ops(), before, strict=True):
            op.set(precision)

    def plain(self) -> nn.Module:
        """The module with the current weights and without quantizers, in evaluation mode."""
        found = copy.deepcopy(self._plain[0])
        for body, op in zip(found.children(), self.ops(), strict=True):
            body.load_state_dict(op.body.state_dict())
        return found.eval()
