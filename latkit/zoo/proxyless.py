"""The networks that ProxylessNAS found (Cai et al. 2019), read from the data file in this folder."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from latkit.ops import Network
from latkit.zoo.chain import Chain

PROXYLESS = ("proxyless-cpu", "proxyless-gpu", "proxyless-mobile")
"""The networks found for a Xeon, a V100 and a Pixel 1."""


def proxyless(name: str) -> Network:
    """The published network of one of the names in `PROXYLESS`, for images of 224 px and 1000 classes."""
    text = files("latkit.zoo").joinpath("proxyless_networks.json").read_text(encoding="utf-8")
    published = json.loads(text)["networks"][name]
    stem, first, *stages, features = published["widths"]
    chain = Chain((3, 224, 224))
    chain.add("conv", out_channels=stem, stride=2)
    chain.add("mbconv", out_channels=first, expansion=1)
    for channels, stride, blocks in zip(stages, published["strides"], published["blocks"], strict=True):
        for index, block in enumerate(blocks):
            kernel, expansion = map(int, re.findall(r"\d+", block))
            chain.add(
                "mbconv",
                out_channels=channels,
                kernel=kernel,
                expansion=expansion,
                stride=stride if index == 0 else 1,
            )
    chain.add_head(features, 1000)
    return chain.network(name)
