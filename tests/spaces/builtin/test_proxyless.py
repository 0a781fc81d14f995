"""The built-in spaces are the paper's."""

from __future__ import annotations

import pytest

from latkit import spaces
from latkit.errors import UsageError
from latkit.spaces import scale_channels

MOBILE = spaces.load("proxyless-mobile")


def test_the_fixed_layers() -> None:
    fixed = {layer.name: layer.candidates[0].title for layer in MOBILE.layers if not layer.is_choice}
    assert fixed == {
        "stem": "conv k3 s2 3x224x224 > 32",
        "first_block": "mbconv k3 e1 s1 32x112x112 > 16",
        "feature_mix": "conv k1 s1 320x7x7 > 1280",
        "pool": "pool average s1 1280x7x7",
        "classifier": "linear 1280 > 1000",
    }
    assert MOBILE.output_shape == (1000,)


def test_21_choices_in_six_stages() -> None:
    outputs = [layer.candidates[0].output_shape for layer in MOBILE.choice_layers]
    assert outputs == (
        [(24, 56, 56)] * 4
        + [(40, 28, 28)] * 4
        + [(80, 14, 14)] * 4
        + [(96, 14, 14)] * 4
        + [(192, 7, 7)] * 4
        + [(320, 7, 7)]
    )


def test_a_block_that_keeps_its_shape_may_be_skipped_and_no_other() -> None:
    skips = [any(op.is_identity for op in layer.candidates) for layer in MOBILE.choice_layers]
    assert skips == [False, True, True, True] * 5 + [False]
    assert MOBILE.size == 6**6 * 7**15


def test_the_candidates_are_kernels_3_5_7_by_expansions_3_6() -> None:
    for layer in MOBILE.choice_layers:
        found = [(op["kernel"], op["expansion"]) for op in layer.candidates if op.kind == "mbconv"]
        assert sorted(found) == [(3, 3), (3, 6), (5, 3), (5, 6), (7, 3), (7, 6)]
        assert {op["activation"] for op in layer.candidates if op.kind == "mbconv"} == {"relu6"}


def test_there_are_71_distinct_ops_and_none_is_an_identity() -> None:
    ops = MOBILE.ops()
    assert len(ops) == len({op.key for op in ops}) == 71
    assert not any(op.is_identity for op in ops)


def test_resolution_width_and_classes_are_parameters() -> None:
    space = spaces.load("proxyless-mobile", resolution=96, width=1.4, classes=10)
    assert space.input_shape == (3, 96, 96)
    assert space.output_shape == (10,)
    assert [op.output_shape[0] for op in (layer.candidates[0] for layer in space.layers)][:3] == [48, 24, 32]
    assert space.layers[-3].candidates[0]["out_channels"] == 1792
    narrow = spaces.load("proxyless-mobile", width=0.5)
    assert narrow.layers[-3].candidates[0]["out_channels"] == 1280
    assert len({space.key, narrow.key, MOBILE.key}) == 3


def test_the_tiny_space_takes_small_images() -> None:
    for resolution, channels in ((28, 1), (32, 3), (8, 1)):
        space = spaces.load("proxyless-tiny", resolution=resolution, channels=channels)
        assert space.input_shape == (channels, resolution, resolution)
        assert len(space.choices) == 9


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(32, 1.0, 32), (16, 1.4, 24), (24, 1.4, 32), (32, 0.35, 16), (8, 0.1, 8)]
)
def test_channels_are_scaled_to_multiples_of_eight(channels: int, width: float, expected: int) -> None:
    assert scale_channels(channels, width) == expected


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("proxyless-large", {}, "unknown space 'proxyless-large'; known spaces: darts, mnasnet"),
        ("proxyless-mobile", {"resolution": 4}, "expected a resolution of at least 8"),
        ("proxyless-mobile", {"width": 0.0}, "a width from 0.1 to 8"),
        ("proxyless-mobile", {"width": float("nan")}, "a width from 0.1 to 8"),
        ("proxyless-mobile", {"classes": 1}, "at least 2 classes"),
        ("proxyless-mobile", {"depth": 3}, "expected the parameters resolution, width, classes, but found depth"),
        ("my-space.toml", {"width": 2}, "a space from a file takes no parameters, but found width"),
    ],
)
def test_a_wrong_name_or_parameter_says_so(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        spaces.load(name, **parameters)
    assert message in str(caught.value)
