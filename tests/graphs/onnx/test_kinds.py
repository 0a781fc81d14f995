"""Kinds of ONNX's nodes."""

from dataclasses import replace

import pytest

from latkit.graphs import Graph, GraphBuilder
from latkit.graphs.dialects import units_of, variants_of
from latkit.latency_models.kernels.sampling_plan import plan


def resized(mode: str) -> Graph:
    b = GraphBuilder()
    return b.graph([b.resize(b.input(1, 8, 4, 4), 2, mode)])


@pytest.mark.parametrize(("mode", "other"), [("nearest", "linear"), ("linear", "nearest")])
def test_images_are_resized_in_both_modes(mode: str, other: str) -> None:
    kinds = {"nearest": "resize", "linear": "resize_linear"}
    assert [unit.kind for unit in units_of(resized(mode))] == [kinds[mode]]
    (variant,) = variants_of(resized(mode))
    assert variant.key == resized(other).key
    assert {spec.kind for spec in plan([resized(mode)], ()).kernels} == set(kinds.values())


def test_nothing_else_has_another_mode() -> None:
    b = GraphBuilder()
    x = b.resize(b.input(1, 8, 4, 4), 2)
    assert not variants_of(b.graph([b.activation("relu", x)]))
    (cubic,) = (replace(node, attributes=(("mode", "cubic"),)) for node in resized("nearest").nodes)
    assert not variants_of(replace(resized("nearest"), nodes=(cubic,)))
    assert [unit.kind for unit in units_of(replace(resized("nearest"), nodes=(cubic,)))] == ["resize_cubic"]


@pytest.mark.parametrize(
    ("channels", "kernel", "groups", "kind"),
    [
        (3, 3, 1, "conv_image"),
        (1, 7, 1, "conv_image"),
        (3, 1, 1, "conv"),
        (4, 3, 1, "conv"),
        (8, 3, 2, "conv_grouped"),
        (8, 3, 8, "conv_depthwise"),
        (3, 3, 3, "conv_depthwise"),
    ],
)
def test_convolutions_by_channels_and_groups(channels: int, kernel: int, groups: int, kind: str) -> None:
    b = GraphBuilder()
    graph = b.graph([b.conv(b.input(1, channels, 8, 8), 8 if groups != 3 else 3, kernel, 1, groups)])
    assert [unit.kind for unit in units_of(graph)] == [kind]
