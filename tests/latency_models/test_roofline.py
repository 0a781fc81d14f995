"""The parts of an op, and the terms that its latency is a sum of."""

import math

import numpy as np
import pytest

from latkit.latency_models.trees.roofline import TERMS, roofline
from latkit.ops import Op, make_op
from latkit.spaces import load


def term(op: Op, name: str) -> float:
    return float(roofline(op)[TERMS.index(name)])


def test_an_mbconv_is_two_products_around_a_convolution_over_space() -> None:
    op = make_op("mbconv", (24, 28, 28), out_channels=40, kernel=5, stride=2, expansion=6)
    assert [part.kind for part in op.parts] == ["pointwise", "depthwise", "pointwise"]
    assert [(part.channels_in, part.channels_out) for part in op.parts] == [(24, 144), (144, 144), (144, 40)]
    narrow = make_op("mbconv", (24, 28, 28), out_channels=40, expansion=1)
    assert [part.kind for part in narrow.parts] == ["depthwise", "pointwise"]


@pytest.mark.parametrize(
    "op", [op for op in load("proxyless-mobile").ops() if not op.is_identity], ids=lambda op: op.title
)
def test_the_parts_do_the_work_of_the_op(op: Op) -> None:
    macs = sum(part.weights * math.prod(part.size_out) for part in op.parts)
    assert macs == op.macs
    assert op.parts[-1].channels_out == op.output_shape[0]
    terms = roofline(op)
    assert terms.shape == (len(TERMS),)
    assert np.isfinite(terms).all()
    assert (terms >= 0).all()


def test_channels_are_padded_to_full_tiles() -> None:
    full, partial = (make_op("conv", (32, 8, 8), out_channels=n, kernel=1, activation="none") for n in (48, 40))
    assert term(full, "pointwise_tiled") == term(partial, "pointwise_tiled") == term(full, "pointwise_macs")
    assert term(full, "written_full") > 0 == term(full, "written_partial")
    assert term(partial, "written_partial") > 0 == term(partial, "written_full")
    assert term(partial, "pointwise_half_full") == partial.macs


def test_a_window_over_the_border_counts_by_its_share_of_a_row() -> None:
    op = make_op("conv", (16, 8, 8), out_channels=16, kernel=5, activation="none")
    assert op.parts[0].border == pytest.approx(4 / 8)
    assert make_op("conv", (16, 8, 8), out_channels=16, kernel=1, activation="none").parts[0].border == 0


def test_a_convolution_of_a_picture_is_of_a_kind_of_its_own() -> None:
    assert make_op("conv", (3, 32, 32), out_channels=16, stride=2).parts[0].kind == "first"
    assert make_op("conv", (16, 8, 8), out_channels=16, groups=16).parts[0].kind == "depthwise"
    assert make_op("conv", (16, 8, 8), out_channels=16).parts[0].kind == "dense"
