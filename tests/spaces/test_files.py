"""Spaces written as TOML, well and badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from latkit import spaces
from latkit.errors import BadFile

GOOD = """\
name = "my-space"
input_shape = [3, 32, 32]

[[layers]]
name = "stem"
candidates = [{ kind = "conv", out_channels = 16, stride = 2 }]

[[layers]]
name = "body"
repeat = 3
candidates = [
    { kind = "mbconv", out_channels = 16, kernel = [3, 5], expansion = [3, 6] },
    { kind = "skip" },
]

[[layers]]
name = "head"
candidates = [{ kind = "pool" }]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "space.toml"


def test_a_file_makes_a_space(path: Path) -> None:
    path.write_text(GOOD)
    space = spaces.load(str(path))
    assert space.name == "my-space"
    assert [layer.name for layer in space.layers] == ["stem", "body1", "body2", "body3", "head"]
    assert [len(layer.candidates) for layer in space.choices] == [5, 5, 5]
    assert len(space.ops()) == 6
    assert space.output_shape == (16,)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('name = "my-space"\n', "", "name: Field required"),
        ('"my-space"', '""', "name: String should have at least 1 character"),
        ('"my-space"', "3", "name: Input should be a valid string"),
        ("[3, 32, 32]", "32", "input_shape: Input should be a valid list"),
        ("[3, 32, 32]", '[3, 32, "x"]', "input_shape.2: Input should be a valid integer"),
        ("[3, 32, 32]", "[3, 32.0, 32]", "input_shape.1: Input should be a valid integer"),
        ("[3, 32, 32]", "[3, 32]", "expected an input shape of rank 3"),
        ("[3, 32, 32]", "[3, 0, 32]", "positive sizes"),
        ("repeat = 3", "repeat = 0", "layers.1.repeat: Input should be greater than or equal to 1"),
        ("repeat = 3", "times = 3", "layers.1.times: Extra inputs are not permitted"),
        ("[[layers]]", "[[blocks]]", "layers: Field required"),
        ('name = "stem"\n', "", "layers.0.name: Field required"),
        ('[{ kind = "pool" }]', "[]", "layers.2.candidates: List should have at least 1 item"),
        ('[{ kind = "pool" }]', '["pool"]', "layers.2.candidates.0: Input should be a valid dictionary"),
        ('{ kind = "pool" }', "{ kernel = 0 }", "layers.2.candidates.0: expected a candidate to name its kind"),
        ('kind = "pool"', 'kind = "pooling"', "layers.2.candidates.0: unknown op kind 'pooling'"),
        ('kind = "pool"', 'kind = "pool", size = 2', "layers.2.candidates.0: pool: unknown attribute 'size'"),
        ('kind = "pool"', 'kind = "pool", input_shape = 2', "layers.2.candidates.0: pool: unknown attribute"),
        ("stride = 2", 'stride = "2"', "layers.0.candidates.0: conv: expected stride to be int, but found '2'"),
        ("stride = 2", "stride = true", "layers.0.candidates.0: conv: expected stride to be int, but found True"),
        ("[3, 5]", "[3, 4]", "layers.1.candidates.0: mbconv: expected an odd kernel, but found 4"),
        ("[3, 5]", "[]", "layers.1.candidates.0: expected at least one value of kernel"),
        ("[3, 5]", "[3, 3]", "layers.1: layer body1: a candidate stands there twice"),
        ("out_channels = 16, kernel", "out_channels = 24, kernel", "layers.1: layer body1:"),
        ('name = "my-space"', "name = ", "Invalid value"),
    ],
)
def test_a_wrong_field_is_named_with_the_file(path: Path, old: str, new: str, found: str) -> None:
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadFile) as caught:
        spaces.load(str(path))
    assert str(caught.value).startswith(f"{path}: expected a search space as TOML, but found ")
    assert found in str(caught.value)


def test_files_that_are_no_text_or_not_there(path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        spaces.load(str(path))
    for content in (b"\xff\xfe\x00\x80", b"a = " + b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(BadFile):
            spaces.load(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(BadFile):
        spaces.load(str(path))
