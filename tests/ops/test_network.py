"""Networks: a chain that fits, JSON there and back, files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latkit.errors import BadFile, UsageError
from latkit.latency_models.features import features
from latkit.latency_models.roofline import roofline
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
OP = {"kind": "linear", "input_shape": [8], "attributes": {"out_features": 2}}


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
        ("[" * 100_000, "values nested too deep"),
        (json.dumps({"format": FORMAT, "ops": [OP] * 10_001}), "at most 10000 ops, but found 10001"),
        (json.dumps({"format": FORMAT, "name": "a\x1b[2J", "ops": [OP]}), "a network's name of 1 to 200 characters"),
        (json.dumps({"format": FORMAT, "ops": [OP]}).replace("8", "1" + "0" * 400), "beyond 64 bits"),
        (json.dumps({"format": FORMAT, "ops": [OP]}).replace("8", "1e999"), "too large a number"),
        (json.dumps({"format": FORMAT, "ops": [OP]}).replace("8", str(2**62)), "at most 536870912 numbers"),
        (json.dumps({"format": FORMAT, "ops": [OP]}).replace("linear", r"\ud800"), "text that is not UTF-8"),
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


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 3, 2**20 + 1, 2**29, 2**31, 2**63, 10**19, -1, 1e308, 0.5]),
    st.sampled_from(["", "conv", "relu", "a\nb", "\x1b", "\ud800", "x" * 500]),
    st.lists(st.integers(1, 2**30), max_size=4),
    st.dictionaries(st.sampled_from(["kernel", "kind", "x"]), st.integers(), max_size=2),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(REFERENCE.ops), st.sampled_from(["kind", "input_shape", "size", "attribute", "name"]), VALUES)
def test_a_network_with_a_wrong_value_is_refused_in_a_line_or_can_be_used(
    tmp_path: Path, op: Any, where: str, value: Any
) -> None:
    entry = op.to_json()
    document = {"format": FORMAT, "name": "n", "ops": [entry]}
    if where == "name":
        document["name"] = value
    elif where == "size":
        entry["input_shape"][-1] = value
    elif where == "attribute" and entry["attributes"]:
        entry["attributes"][max(entry["attributes"])] = value
    else:
        entry[where] = value
    path = tmp_path / "net.json"
    path.write_text(json.dumps(document))
    try:
        network = Network.load(path)
    except BadFile as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        assert len(str(error)) < 1500  # noqa: PT017
        return
    for one in network.ops:
        assert np.isfinite(features(one)).all()
        assert np.isfinite(roofline(one)).all()
        assert max(one.macs, one.parameters, one.activation_peak) < 2**63
