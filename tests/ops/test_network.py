"""Networks: a chain that fits, JSON there and back, files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.ops import Network, make_op
from latkit.timing import REFERENCE


def test_a_network_sums_its_ops() -> None:
    assert REFERENCE.macs == sum(op.macs for op in REFERENCE.ops)
    assert REFERENCE.parameters == sum(op.parameters for op in REFERENCE.ops)
    assert REFERENCE.input_shape == (16, 32, 32)
    assert REFERENCE.output_shape == (32,)


def test_a_name_is_for_people_and_not_part_of_the_network() -> None:
    renamed = Network(REFERENCE.ops, "other")
    assert renamed == REFERENCE
    assert renamed.key == REFERENCE.key
    assert renamed.title == "other"
    assert Network(REFERENCE.ops).title == f"network {REFERENCE.key[:8]}"


def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    REFERENCE.save(tmp_path / "net.json")
    back = Network.load(tmp_path / "net.json")
    assert back == REFERENCE
    assert back.name == "reference"


def test_ops_that_do_not_fit_are_refused() -> None:
    pool, linear = make_op("pool", (8, 4, 4)), make_op("linear", (9,), out_features=2)
    with pytest.raises(UsageError, match=r"gives \(8,\), but linear 9 > 2 expects \(9,\)"):
        Network((pool, linear))
    with pytest.raises(UsageError, match="at least one op"):
        Network(())


FORMAT = "latkit-network-1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1]", "found 'list'"),
        ("{}", "found None"),
        (json.dumps({"format": "latkit-network-9", "ops": []}), "found 'latkit-network-9'"),
        (json.dumps({"format": FORMAT, "ops": {}}), "expected a list of ops"),
        (json.dumps({"format": FORMAT, "name": 3, "ops": []}), "expected a list of ops and a name"),
        (json.dumps({"format": FORMAT, "ops": []}), "at least one op"),
        (json.dumps({"format": FORMAT, "ops": [{"kind": "nil"}]}), "expected an op with kind"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_file_that_is_no_network_is_named(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(text)
    with pytest.raises(BadFile) as caught:
        Network.load(path)
    assert str(caught.value).startswith(f"{path}: expected a network as JSON, but found ")
    assert found in str(caught.value)


def test_a_binary_file_and_a_missing_one_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("binary.json", "missing.json", ""):
        with pytest.raises(BadFile):
            Network.load(tmp_path / name)
