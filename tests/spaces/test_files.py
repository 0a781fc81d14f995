"""Spaces written as TOML, valid and invalid."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latkit import spaces
from latkit.errors import BadFile
from latkit.latency_models.trees.features import features
from latkit.tables import macs_table, parameters_table

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
    assert [len(layer.candidates) for layer in space.choice_layers] == [5, 5, 5]
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
        ('"my-space"', r'"my\u001b[2J"', "a space's name of 1 to 100 characters without control characters"),
        ('"stem"', r'"\u202Estem"', "layers.0: expected a layer's name of 1 to 100 characters"),
        ("[3, 32, 32]", "[3, 32, 1" + "0" * 5000 + "]", "4300 digits"),
        ("[3, 32, 32]", "[3, 32, 1" + "0" * 4000 + "]", "an integer beyond 64 bits"),
        ("[3, 32, 32]", "[3, 32, 2001-01-01]", "input_shape.2: Input should be a valid integer"),
        ("stride = 2", "stride = 2001-99-99", "Unclosed inline table"),
        ("repeat = 3", "repeat = 999", "expected at most 1000 layers, but found 1001"),
        ("repeat = 3", "repeat = 9999999", "less than or equal to 1000"),
        ("[3, 5]", f"{list(range(1, 9000, 2))}", "expected at most 4096 candidates, but found 9001"),
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


def test_lists_are_counted_before_they_are_expanded(path: Path) -> None:
    values = list(range(1, 1000))
    attributes = ", ".join(f"a{number} = {values}" for number in range(20))
    path.write_text(GOOD.replace('{ kind = "pool" }', f'{{ kind = "conv", {attributes} }}'))
    with pytest.raises(BadFile, match=r"layers.2: expected at most 4096 candidates, but found 9.80\d+e\+59"):
        spaces.load(str(path))


VALUES = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([0, 1, 2**29, 2**31, 2**63, 10**400]),
    st.text(max_size=5),
    st.lists(st.integers(1, 20), max_size=40),
)


def in_toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    return str(value).lower()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["[3, 32, 32]", "16, stride", "2 }", "= 3", "[3, 5]", "[3, 6]", '"skip"', '"my-space"']), VALUES)
def test_a_space_with_a_wrong_value_is_refused_in_a_line_or_can_be_used(path: Path, old: str, value: object) -> None:
    replacement = {"16, stride": ", stride", "2 }": " }", "= 3": ""}.get(old, "")
    path.write_text(
        GOOD.replace(old, f"{'= ' if old == '= 3' else ''}{in_toml(value)}{replacement}", 1), errors="surrogatepass"
    )
    try:
        space = spaces.load(str(path))
    except BadFile as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        return
    for op in space.ops():
        assert np.isfinite(features(op)).all()
    assert macs_table(space).max() < 2**63
    assert parameters_table(space).min() > 0
    network = space.decode(space.sample(random.Random(0)))
    assert space.decode(space.encode(network)) == network


def test_candidates_of_all_layers_are_counted(path: Path) -> None:
    path.write_text(GOOD.replace("repeat = 3", "repeat = 900").replace("[3, 5]", str(list(range(1, 99, 2)))))
    with pytest.raises(BadFile, match="expected at most 50000 candidates in all layers, but found 89102"):
        spaces.load(str(path))
