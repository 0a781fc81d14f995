"""The published networks have the published numbers."""

from __future__ import annotations

import pytest

from latkit import spaces, zoo
from latkit.errors import UsageError

PUBLISHED = {
    "mobilenetv2-1.0": (3_504_872, 300_774_272, 21),  # torchvision: 3,504,872 parameters, 0.301 GMACs
    "mobilenetv2-1.4": (6_108_776, 582_195_824, 21),  # MobileNetV2, table 4: 6.9 M with biases, 585 M multiply-adds
    "proxyless-cpu": (4_361_648, 439_243_864, 24),
    "proxyless-gpu": (7_119_848, 465_260_160, 18),  # ProxylessNAS, table 4: 465 M
    "proxyless-mobile": (4_080_512, 320_427_584, 24),  # ProxylessNAS, table 4: 320 M
}
"""Parameters, MACs and ops."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_has_its_numbers(name: str) -> None:
    network = zoo.load(name)
    assert (network.parameters, network.macs, len(network.ops)) == PUBLISHED[name]
    assert network.name == name
    assert network.input_shape == (3, 224, 224)
    assert network.output_shape == (1000,)


def test_the_names_are_those_that_load() -> None:
    assert set(zoo.names()) == set(PUBLISHED)


def test_an_unknown_name_gives_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"unknown network 'resnet50'; known networks: mobilenetv2-1\.0, "):
        zoo.load("resnet50")


def test_an_impossible_mobilenet_is_refused() -> None:
    with pytest.raises(UsageError):
        zoo.mobilenet_v2(resolution=0)


def test_channels_are_rounded_as_torchvision_rounds_them() -> None:
    wide = [op["out_channels"] for op in zoo.load("mobilenetv2-1.4").ops if op.kind in ("conv", "mbconv")]
    assert list(dict.fromkeys(wide)) == [48, 24, 32, 88, 136, 224, 448, 1792]


def test_the_found_mobile_network_keeps_to_its_papers_candidates() -> None:
    """It is not a network of latkit's space: the published one is 32 wide where the space is 24."""
    blocks = [op for op in zoo.load("proxyless-mobile").ops if op.kind == "mbconv"][1:]
    assert {(op["kernel"], op["expansion"]) for op in blocks} <= {(k, e) for k in (3, 5, 7) for e in (3, 6)}
    with pytest.raises(UsageError, match="proxyless-mobile is not a network of space proxyless-mobile"):
        spaces.load("proxyless-mobile").encode(zoo.load("proxyless-mobile"))


def test_small_images_are_halved_three_times() -> None:
    network = zoo.mobilenet_v2(0.5, 28, classes=10, channels=1)
    assert network.input_shape == (1, 28, 28)
    assert network.output_shape == (10,)
    assert network.ops[0].output_shape == (16, 28, 28)
    assert network.ops[-4].output_shape == (160, 4, 4)
    assert len(network.ops) == len(zoo.mobilenet_v2(0.5).ops)
