"""Which dimensions of which parameters are the same channels, so that they can be reordered or cut together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from latkit.errors import UsageError

Place = tuple[str, int]
"""A parameter or buffer by its name, and the dimension that has the channels."""

POINTWISE = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten)
POINTWISE_MODULES = ("torch.nn.modules.activation", "torch.nn.modules.pooling")
"""Where the modules without parameters are that treat all channels alike."""
POINTWISE_FUNCTIONS = frozenset(
    {
        *("relu", "relu_", "relu6", "hardswish", "silu", "gelu", "sigmoid", "hardsigmoid", "tanh", "leaky_relu"),
        *("adaptive_avg_pool2d", "avg_pool2d", "max_pool2d", "adaptive_max_pool2d", "mean", "amax"),
        *("dropout", "flatten", "contiguous"),
    }
)
JOINING = frozenset(["add", "iadd", "mul", "imul", "sub"])
"""Functions whose inputs have the same channels."""


@dataclass(eq=False)
class ChannelGroup:
    """Channels that several parameters share."""

    size: int
    made_by: list[Place] = field(default_factory=list)
    """Outputs of convolutions, depthwise convolutions and batch norms."""
    used_by: list[Place] = field(default_factory=list)
    """Inputs of convolutions and linear layers: their magnitudes are the channels' importance."""
    is_fixed: bool = False
    """Whether the order of the channels matters: at the module's input and output, and where it is not known."""

    @property
    def places(self) -> list[Place]:
        """All dimensions that have these channels."""
        return [*self.made_by, *self.used_by]


def channel_groups(module: nn.Module) -> list[ChannelGroup]:
    """The groups of a module, found by symbolic tracing (torch.fx). Raises UsageError where it cannot be traced."""
    try:
        graph = fx.symbolic_trace(module).graph
    except Exception as error:  # fx raises what the module's own code raises
        raise UsageError(f"expected a module that torch.fx can trace, but found: {error}") from error
    return _Analysis(module).run(graph)


def sort_channels(
    module: nn.Module, groups: Sequence[ChannelGroup], bounds_of: Callable[[ChannelGroup], set[int]]
) -> None:
    """Reorder the channels of each group by falling importance. The module's output does not change.

    Importance is the L1 norm of the weights that use a channel (Cai et al. 2020, section 3.2). Channels stay between
    the bounds, the sizes that sub-networks were trained with: these keep their channels.
    """
    tensors: dict[str, Tensor] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for group in groups:
        if group.is_fixed or not group.used_by:
            continue
        importance = sum(_norms(tensors[name], dim) for name, dim in group.used_by)
        assert isinstance(importance, Tensor)
        order = _order(importance, sorted({0, group.size} | bounds_of(group)))
        for name, dim in group.places:
            with torch.no_grad():
                tensors[name].copy_(tensors[name].index_select(dim, order))


def _norms(weight: Tensor, dim: int) -> Tensor:
    return weight.detach().abs().transpose(0, dim).flatten(1).sum(1)


def _order(importance: Tensor, bounds: Sequence[int]) -> Tensor:
    parts = [
        begin + importance[begin:end].argsort(descending=True, stable=True) for begin, end in itertools.pairwise(bounds)
    ]
    return torch.cat(parts)


class _Analysis:
    """One walk over a traced module."""

    def __init__(self, module: nn.Module) -> None:
        self.modules = dict(module.named_modules())
        self.parent: dict[int, int] = {}
        self.groups: list[ChannelGroup] = []
        self.of: dict[fx.Node, int | None] = {}
        self.called: set[str] = set()

    def run(self, graph: fx.Graph) -> list[ChannelGroup]:
        for node in graph.nodes:
            self.of[node] = self._group_of(node)
        roots = {self._find(number) for number in range(len(self.groups))}
        return [self.groups[number] for number in sorted(roots)]

    def _group_of(self, node: fx.Node) -> int | None:
        if node.op == "call_module":
            return self._module(node, str(node.target))
        inputs = list(node.all_input_nodes)
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
        if node.op in ("call_function", "call_method") and inputs:
            if name in POINTWISE_FUNCTIONS:
                return self.of[inputs[0]]
            if name in JOINING:
                return self._joined([self.of[one] for one in inputs])
        self._fix(inputs)
        return None

    def _module(self, node: fx.Node, name: str) -> int | None:
        module, inputs = self.modules[name], list(node.all_input_nodes)
        is_first_call, group = name not in self.called, self.of[inputs[0]]
        self.called.add(name)
        if is_first_call and len(inputs) == 1:
            if isinstance(module, nn.Conv2d) and module.groups == 1:
                return self._mapped(name, module, group, module.in_channels, module.out_channels)
            if isinstance(module, nn.Linear):
                return self._mapped(name, module, group, module.in_features, module.out_features)
        if group is not None and is_first_call and len(inputs) == 1:
            if isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels:
                return self._unchanged(name, module, group, module.groups)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                return self._unchanged(name, module, group, module.num_features)
        is_known = isinstance(module, POINTWISE) or type(module).__module__ in POINTWISE_MODULES
        if is_known and not any(True for _ in module.parameters()):
            return group
        self._fix_outputs(module, name)
        self._fix(inputs)
        return None

    def _mapped(self, name: str, module: nn.Module, group: int | None, size_in: int, size_out: int) -> int:
        """All outputs depend on all inputs."""
        if group is not None:
            known = self._group(group)
            known.is_fixed |= known.size != size_in  # an image was flattened into features
            known.used_by.append((f"{name}.weight", 1))
        return self._new(ChannelGroup(size_out, _vectors(name, module, ("weight", "bias"))))

    def _unchanged(self, name: str, module: nn.Module, group: int, size: int) -> int:
        """Each output depends on its own input."""
        known = self._group(group)
        known.is_fixed |= known.size != size
        known.made_by += _vectors(name, module, ("weight", "bias", "running_mean", "running_var"))
        return group

    def _joined(self, numbers: Sequence[int | None]) -> int | None:
        known = [self._find(one) for one in numbers if one is not None]
        if len(known) < len(numbers):
            for one in known:
                self.groups[one].is_fixed = True
            return None
        for other in known[1:]:
            first, second = self._find(known[0]), self._find(other)
            if first != second:
                into, taken = self.groups[first], self.groups[second]
                into.made_by += taken.made_by
                into.used_by += taken.used_by
                into.is_fixed |= taken.is_fixed or into.size != taken.size
                self.parent[second] = first
        return known[0]

    def _fix(self, inputs: Sequence[fx.Node]) -> None:
        for one in inputs:
            number = self.of[one]
            if number is not None:
                self._group(number).is_fixed = True

    def _fix_outputs(self, module: nn.Module, name: str) -> None:
        """A module that is called again changes none of its own channels."""
        own = {f"{name}.{inner}" for inner, _ in module.named_parameters()}
        for group in self.groups:
            group.is_fixed |= any(place[0] in own for place in group.places)

    def _new(self, group: ChannelGroup) -> int:
        number = len(self.groups)
        self.groups.append(group)
        self.parent[number] = number
        return number

    def _group(self, number: int) -> ChannelGroup:
        return self.groups[self._find(number)]

    def _find(self, number: int) -> int:
        while self.parent[number] != number:
            number = self.parent[number]
        return number


def _vectors(name: str, module: Any, fields: Sequence[str]) -> list[Place]:
    return [(f"{name}.{one}", 0) for one in fields if getattr(module, one, None) is not None]
