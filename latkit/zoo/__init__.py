"""The zoo: published networks as records, without their trained weights."""

from __future__ import annotations

from collections.abc import Callable

from latkit.errors import UsageError
from latkit.ops import Network
from latkit.zoo.mobilenet import mobilenet_v2
from latkit.zoo.proxyless import PROXYLESS, proxyless

NETWORKS: dict[str, Callable[[], Network]] = {
    "mobilenetv2-1.0": lambda: mobilenet_v2(1.0),
    "mobilenetv2-1.4": lambda: mobilenet_v2(1.4),
    "proxyless-cpu": lambda: proxyless("proxyless-cpu"),
    "proxyless-gpu": lambda: proxyless("proxyless-gpu"),
    "proxyless-mobile": lambda: proxyless("proxyless-mobile"),
}
"""A function without arguments per network, by name."""


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(NETWORKS)


def load(name: str) -> Network:
    """The published network of that name, for images of 224 px and 1000 classes. Raises UsageError."""
    if name not in NETWORKS:
        raise UsageError(f"unknown network {name!r}; known networks: {', '.join(NETWORKS)}")
    return NETWORKS[name]()


__all__ = ["NETWORKS", "PROXYLESS", "load", "mobilenet_v2", "names", "proxyless"]
