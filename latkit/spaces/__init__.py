"""Search spaces: their choices, and the networks that they decode to."""

from latkit.spaces.base import Architecture, Choice, Condition, Space
from latkit.spaces.builtin.mbconv_stages import scale_channels
from latkit.spaces.builtin.proxyless_mobile import proxyless_mobile
from latkit.spaces.builtin.proxyless_tiny import proxyless_tiny
from latkit.spaces.chain import ChainSpace, Layer, as_chain
from latkit.spaces.elastic import ElasticSpace, Subnet
from latkit.spaces.files import load_space_file
from latkit.spaces.registry import SPACES, SpaceFactory, load, load_saved
from latkit.spaces.variations import variations

__all__ = [
    "SPACES",
    "Architecture",
    "ChainSpace",
    "Choice",
    "Condition",
    "ElasticSpace",
    "Layer",
    "Space",
    "SpaceFactory",
    "Subnet",
    "as_chain",
    "load",
    "load_saved",
    "load_space_file",
    "proxyless_mobile",
    "proxyless_tiny",
    "scale_channels",
    "variations",
]
