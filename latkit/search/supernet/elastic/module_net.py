"""Any torch module made elastic around its blocks."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latkit._io import one_line
from latkit.errors import UsageError
from latkit.ops import Shape
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.supernet.elastic.channel_groups import ChannelGroup, channel_groups, sort_channels
from latkit.search.supernet.elastic.module_space import Marks, ModuleSpace, choices_of
from latkit.search.supernet.elastic.resizing import resize
from latkit.search.supernet.elastic.sharing import SharedModule
from latkit.search.supernet.elastic.slicing import KernelTransforms, sliced
from latkit.spaces import Architecture

MAX_SHARED = 512
"""Modules that are held for architectures that were run."""


class Elastic(nn.Module):
    """A block whose depth, inner channels or depthwise kernels are elastic; see `elastic`."""

    def __init__(self, block: nn.Module, marks: Marks) -> None:
        super().__init__()
        self.block, self.marks = block, marks

    def forward(self, images: Tensor) -> Tensor:
        """The whole block."""
        out: Tensor = self.block(images)
        return out


def elastic(
    block: nn.Module, depths: Sequence[int] = (), channels: Sequence[float] = (), kernels: Sequence[int] = ()
) -> Elastic:
    """Mark a block of a module as elastic; `ElasticModule` then trains and takes out sub-networks.

    `depths`: how many of the first children of an `nn.Sequential` run. `channels`: shares of the channels inside the
    block, up to 1; those at its input and output stay. `kernels`: of its depthwise convolutions, up to their own.
    Options rise. Raises UsageError.
    """
    marks = Marks(tuple(depths), tuple(channels), tuple(kernels))
    largest = {"depth": len(block) if isinstance(block, nn.Sequential) else 0, "channels": 1.0}
    for name, options in marks.options.items():
        rises = all(a < b for a, b in itertools.pairwise((0.0, *options)))
        if not rises or options[-1] != largest.get(name, options[-1]):
            maximum = largest.get(name, "the block's own")
            raise UsageError(f"elastic: expected {name} as rising numbers up to {maximum}, but found {options}")
    if not marks.options:
        raise UsageError("elastic: expected depths, channels or kernels, but found none")
    return Elastic(block, marks)


class ElasticModule(ElasticNet):
    """A module with blocks marked by `elastic`. Its weights stay as they are, so it may be trained already.

    Channels are found by torch.fx. Raises UsageError for a module that cannot be traced, has no marked block, or whose
    marked blocks have nothing of what is to be elastic.
    """

    space: ModuleSpace

    def __init__(self, model: nn.Module, input_shape: Shape, resolutions: Sequence[int] = (), name: str = "module"):
        """`input_shape`: (C, H, W) of the largest images; `resolutions`: of all, rising."""
        super().__init__()
        self.layers = model
        self.marks = {path: part.marks for path, part in model.named_modules() if isinstance(part, Elastic)}
        if not self.marks:
            raise UsageError("expected a module with blocks marked by latkit.search.elastic, but found none")
        self.resolutions = tuple(resolutions) or (input_shape[-1],)
        if self.resolutions[-1] != input_shape[-1]:
            raise UsageError(f"expected resolutions up to {input_shape[-1]}, but found {self.resolutions}")
        self.groups = channel_groups(model)
        self.cuts = {path: self._inner_groups(path) for path, one in self.marks.items() if one.channels}
        self.kernels = {path: self._depthwise(path, one) for path, one in self.marks.items() if one.kernels}
        self.transforms = KernelTransforms(
            {f"{conv}.weight": self.marks[path].kernels for path, convs in self.kernels.items() for conv in convs}
        )
        self._bare = [copy.deepcopy(model).to("meta")]  # in a list, so that it is no part of this module
        choices = choices_of(self.marks, self.resolutions)
        self.space = ModuleSpace(name, input_shape, (1,), choices)
        shapes = [self._output_shape(one) for one in (self.smallest, self.largest)]
        if shapes[0] != shapes[1]:
            raise UsageError(f"expected outputs of one shape, but found {shapes[0]} of the smallest and {shapes[1]}")
        self.space = ModuleSpace(name, input_shape, shapes[0], choices)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """See `ElasticNet`."""
        if architecture not in self._shared:
            if len(self._shared) >= MAX_SHARED:
                self._shared.clear()
            skeleton, weights = (
                self.prepared(self._shrunk(architecture)),
                dict(self.layers.named_parameters(remove_duplicate=False)),
            )
            self._shared[architecture] = SharedModule(skeleton, weights, self.transforms)
        return self._shared[architecture](images)

    def resolution(self, architecture: Architecture) -> int:
        """See `ElasticNet`."""
        return self.resolutions[architecture[0]] if len(self.resolutions) > 1 else self.resolutions[0]

    def subnet(self, architecture: Architecture) -> nn.Module:
        """See `ElasticNet`. The marks around blocks are removed."""
        module = self._shrunk(architecture)
        parts = {name: part.detach().clone() for name, part in self._parts(module).items()}
        module.to_empty(device=next(self.parameters()).device)
        buffers = dict(self.layers.named_buffers())
        same = {name: buffers[name].clone() for name, one in module.named_buffers() if one.shape == buffers[name].shape}
        module.load_state_dict({**same, **parts}, strict=False)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.reset_running_stats()
        return _unmarked(module)

    def sort_channels(self, in_use: Sequence[Architecture]) -> None:
        """See `ElasticNet`."""
        shapes = [{name: tuple(one.shape) for name, one in self._shrunk(a).named_parameters()} for a in in_use]

        def bounds_of(group: ChannelGroup) -> set[int]:
            return {one[name][dim] for one in shapes for name, dim in group.places if name in one}

        sort_channels(self.layers, self.groups, bounds_of)

    def _parts(self, module: nn.Module) -> dict[str, Tensor]:
        weights = dict(self.layers.named_parameters())
        return {
            name: sliced(name, weights[name], tuple(part.shape), self.transforms)
            for name, part in module.named_parameters()
        }

    def _shrunk(self, architecture: Architecture) -> nn.Module:
        """The module of an architecture, without weights, with its marks."""
        module = copy.deepcopy(self._bare[0])
        taken = dict(zip((choice.name for choice in self.space.choices), self.space.check(architecture), strict=True))
        for path, marks in self.marks.items():
            index = {name: taken[f"{path}.{name}"] for name in marks.options}
            for group in self.cuts.get(path, ()):
                resize(module, group.places, max(1, round(group.size * marks.channels[index["channels"]])))
            for conv in self.kernels.get(path, ()):
                resize(module, [(f"{conv}.weight", 2), (f"{conv}.weight", 3)], marks.kernels[index["kernel"]])
        for path, marks in reversed(self.marks.items()):  # inner blocks before the blocks that hold them
            if marks.depths:
                part = module.get_submodule(path)
                part.block = part.block[: marks.depths[taken[f"{path}.depth"]]]  # type: ignore[index]
        return module

    def _inner_groups(self, path: str) -> list[ChannelGroup]:
        """The channels inside a block that no inner marked block has."""
        inner = [other for other, one in self.marks.items() if one.channels and other.startswith(f"{path}.")]
        found = [
            group
            for group in self.groups
            if not group.is_fixed and _is_inside(group, path) and not any(_is_inside(group, one) for one in inner)
        ]
        if not found:
            raise UsageError(f"elastic block {path}: expected channels that only it uses, but found none")
        return found

    def _depthwise(self, path: str, marks: Marks) -> list[str]:
        """The depthwise convolutions of a block with its largest kernel."""
        found = [
            f"{path}.{name}"
            for name, part in self.layers.get_submodule(path).named_modules()
            if isinstance(part, nn.Conv2d)
            and part.groups == part.in_channels
            and part.kernel_size[0] == marks.kernels[-1]
        ]
        if not found or any(kernel % 2 == 0 for kernel in marks.kernels):
            raise UsageError(
                f"elastic block {path}: expected odd kernels and a depthwise convolution with a kernel of "
                f"{marks.kernels[-1]}, but found {'none' if not found else marks.kernels}"
            )
        return found

    def _output_shape(self, architecture: Architecture) -> Shape:
        size = self.resolution(architecture)
        images = torch.empty(2, *self.space.input_shape[:-2], size, size, device="meta")
        try:
            return tuple(self._shrunk(architecture)(images).shape[1:])
        except RuntimeError as error:
            raise UsageError(
                f"expected a module that runs at {size} px, but found: {one_line(str(error), 200)}"
            ) from error


def _is_inside(group: ChannelGroup, path: str) -> bool:
    return bool(group.places) and all(name.startswith(f"{path}.") for name, _ in group.places)


def _unmarked(module: nn.Module) -> nn.Module:
    if isinstance(module, Elastic):
        return _unmarked(module.block)
    for name, child in module.named_children():
        setattr(module, name, _unmarked(child))
    return module
