"""Layers of a module changed to another number of channels, or another kernel."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from latkit.search.supernet.elastic.channel_groups import Place


def resize(module: nn.Module, places: Iterable[Place], size: int) -> None:
    """Change dimensions of parameters and buffers of a module on the meta device, and what their layers say of them."""
    for name, dim in places:
        path, _, leaf = name.rpartition(".")
        layer = module.get_submodule(path)
        tensor = getattr(layer, leaf)
        shape = (*tensor.shape[:dim], size, *tensor.shape[dim + 1 :])
        empty = torch.empty(shape, device="meta", dtype=tensor.dtype)
        if leaf in layer._parameters:  # noqa: SLF001 - a parameter is replaced by one of another shape
            setattr(layer, leaf, nn.Parameter(empty, tensor.requires_grad))
        else:
            setattr(layer, leaf, empty)
        _describe(layer)


def _describe(layer: nn.Module) -> None:
    """Make a layer's fields follow from its weight."""
    if isinstance(layer, nn.Conv2d):
        out_channels, in_channels, *kernel = layer.weight.shape
        if layer.groups > 1:
            layer.groups = in_channels = out_channels
        layer.in_channels, layer.out_channels = in_channels, out_channels
        if not isinstance(layer.padding, str):
            less = [(old - new) // 2 for old, new in zip(layer.kernel_size, kernel, strict=True)]
            layer.padding = (layer.padding[0] - less[0], layer.padding[1] - less[1])
        layer.kernel_size = (kernel[0], kernel[1])
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        layer.num_features = len(layer.weight)
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
