"""Modules with generated weights: random, but the same on every machine with one version of torch."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from latkit.nn import build_module
from latkit.ops import Network, Op


def seeded_module(workload: Op | Network) -> nn.Module:
    """The workload's module in evaluation mode, its weights and batch norm statistics drawn from the workload's key.

    Variances are preserved from layer to layer (He et al. 2015) and statistics are not near 0 and 1: values of a deep
    network neither underflow to denormals, which are slow, nor overflow. Global random state is restored.
    """
    seed = int(workload.key[:15], 16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build_module(workload)
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        if isinstance(layer, nn.BatchNorm2d):
            _seed_batch_norm(layer, generator)
    return module.eval()


def _seed_batch_norm(layer: nn.BatchNorm2d, generator: torch.Generator) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    with torch.no_grad():
        layer.running_mean.normal_(0, 0.1, generator=generator)
        layer.running_var.uniform_(0.8, 1.2, generator=generator)
        layer.weight.uniform_(0.8, 1.2, generator=generator)
        layer.bias.normal_(0, 0.1, generator=generator)


def for_inference(module: nn.Module) -> nn.Module:
    """A copy on the CPU, in evaluation mode, with each batch norm folded into the convolution before it."""
    inferring = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    for part in inferring.modules():
        if isinstance(part, nn.Sequential):
            _fold_batch_norms(part)
    return inferring


def _fold_batch_norms(layers: nn.Sequential) -> None:
    for index in range(len(layers) - 1):
        convolution, norm = layers[index], layers[index + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index] = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
            layers[index + 1] = nn.Identity()
