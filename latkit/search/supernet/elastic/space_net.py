"""The weights of an elastic space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from latkit.nn import build_module
from latkit.ops import Op
from latkit.search.supernet.blocks import batch_norms, drop_statistics, save_clipped
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.supernet.elastic.channel_groups import ChannelGroup, channel_groups, sort_channels
from latkit.search.supernet.elastic.sharing import SharedModule
from latkit.search.supernet.elastic.slicing import KernelTransforms, Shapes, kernel_sizes, sliced
from latkit.search.supernet.supernet import Supernet
from latkit.spaces import Architecture, ChainSpace
from latkit.spaces.elastic import ElasticSpace
from latkit.spaces.elastic.chain import chain_of

STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")
"""How the names of batch norm's running statistics end."""

Placed = tuple[int, Op]
"""An op of a sub-network, and the layer of the largest network whose weights it takes a part of."""


class ElasticSupernet(ElasticNet):
    """The largest network of an elastic space, and transforms of its kernels (Cai et al. 2020, section 3).

    Each op of a sub-network runs as the module of its kind, with parts of the weights. With `checkpointing`, ops save
    only their input for the backward pass, and run twice. There are no running statistics: no sub-network would use
    them.
    """

    space: ElasticSpace

    def __init__(self, space: ElasticSpace, checkpointing: bool = False) -> None:
        super().__init__()
        self.space, self.checkpointing = space, checkpointing
        network = space.decode(space.largest)
        self.layers = build_module(network)
        for op, layer in zip(network.ops, self.layers.children(), strict=True):
            if op.definition.is_residual(op):  # a block begins as an identity: depths agree before they are trained
                nn.init.zeros_(batch_norms(layer)[-1].weight)
        drop_statistics(batch_norms(self.layers))
        self._op_shapes: dict[Op, Shapes] = {}
        self._weights = [dict(layer.named_parameters()) for layer in self.layers.children()]
        self.transforms = KernelTransforms(self._kernels())

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Scores (N, classes) of images (N, C, H, W) at the architecture's resolution."""
        features = images
        for placed in self.placed(architecture):
            run = self._shared.get(placed) or self._share(placed)
            if self.checkpointing and torch.is_grad_enabled():
                features = checkpoint(run, features, use_reentrant=False, preserve_rng_state=False)
            else:
                features = run(features)
        return features

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Files of earlier versions hold running statistics too, which were not used either."""
        known = self.state_dict().keys()
        used = {name: one for name, one in state_dict.items() if name in known or not name.endswith(STATISTICS)}
        return super().load_state_dict(used, strict, assign)

    def resolution(self, architecture: Architecture) -> int:
        """Height and width of the images that an architecture takes."""
        return self.space.subnet(architecture).resolution

    def subnet(self, architecture: Architecture) -> nn.Module:
        """The module that `build_module(space.decode(architecture))` gives, with copies of the weights."""
        module = build_module(self.space.decode(architecture)).to(next(self.parameters()).device)
        layers = list(module.children())
        with torch.no_grad():
            for layer, (position, op) in zip(layers, self.placed(architecture), strict=True):
                layer.load_state_dict(self.parts(position, op), strict=False)
        return module

    def chains(self) -> Iterator[ChainSpace]:
        """The space at each resolution and width."""
        for resolution in self.space.resolutions:
            for width in self.space.widths:
                yield chain_of(self.space, resolution, width)

    def give_weights(self, supernet: Supernet, chain: ChainSpace) -> None:
        """See `ElasticNet`."""
        for position, layer in enumerate(chain.layers):
            module = supernet.layers[position]
            candidates = list(module.children()) if layer.is_choice else [module]
            for op, candidate in zip(layer.candidates, candidates, strict=True):
                if not op.is_identity:
                    candidate.load_state_dict(self.parts(position, op), strict=False)

    def parts(self, position: int, op: Op) -> dict[str, Tensor]:
        """The parts of the weights that an op takes at a position, by the names of its module's parameters."""
        weights = self._weights[position]
        return {
            name: sliced(f"{position}.{name}", weights[name], shape, self.transforms)
            for name, shape in self._shapes_of(op).items()
        }

    def sort_channels(self, in_use: Sequence[Architecture]) -> None:
        """See `ElasticNet`."""
        shapes = list(map(self._shapes, in_use))

        def bounds_of(group: ChannelGroup) -> set[int]:
            return {one[name][dim] for one in shapes for name, dim in group.places if name in one}

        sort_channels(self.layers, channel_groups(self.layers), bounds_of)

    def placed(self, architecture: Architecture) -> list[Placed]:
        """The ops of a sub-network, each with its layer: the first blocks of every stage."""
        subnet = self.space.subnet(architecture)
        layers = self.space.layers(subnet.resolution, subnet.width)
        found = list(enumerate(layers.before))
        begin = len(layers.before)
        for number, (stage, blocks) in enumerate(zip(self.space.stages, subnet.stages, strict=True)):
            found += [(begin + at, layers.block(number, at)[block]) for at, block in enumerate(blocks)]
            begin += stage.depths[-1]
        return found + list(enumerate(layers.after, begin))

    def _share(self, placed: Placed) -> SharedModule:
        """The module of an op at a position, with its parts of the weights."""
        position, op = placed
        with torch.device("meta"):
            module = self.prepared(build_module(op))
        save_clipped(module)
        self._shared[placed] = SharedModule(module, self._weights[position], self.transforms, f"{position}.")
        return self._shared[placed]

    def _shapes_of(self, op: Op) -> Shapes:
        """The shapes of an op's parameters."""
        if op not in self._op_shapes:
            with torch.device("meta"):
                module = build_module(op)
            self._op_shapes[op] = {name: tuple(weight.shape) for name, weight in module.named_parameters()}
        return self._op_shapes[op]

    def _kernels(self) -> dict[str, set[int]]:
        """The kernels of every weight that has several."""
        ranks = max(len(stage.kernels) for stage in self.space.stages)
        return kernel_sizes([self._shapes(self.at_options({"kernel": rank})) for rank in range(ranks)])

    def _shapes(self, architecture: Architecture) -> dict[str, tuple[int, ...]]:
        """The shapes of the parts that a sub-network takes, by the names of the weights."""
        parts = ((position, self._shapes_of(op)) for position, op in self.placed(architecture))
        return {f"{position}.{name}": shape for position, shapes in parts for name, shape in shapes.items()}
