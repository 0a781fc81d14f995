"""Networks: chains and graphs that fit, JSON there and back, files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latkit.errors import BadFile, UsageError
from latkit.latency_models.trees.features import features
from latkit.latency_models.trees.roofline import roofline
from latkit.ops import INPUT, Network, Op, make_op
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


SHAPE = (8, 6, 6)


def conv(out_channels: int = 8, **attributes: object) -> Op:
    return make_op("conv", SHAPE, out_channels=out_channels, **attributes)


def cell(**changes: Any) -> Network:
    """A stem, two branches of one and two ops, a skip beside them, and their concatenation."""
    ops = (
        conv(),
        conv(kernel=1),
        conv(kernel=3),
        conv(kernel=5),
        make_op("skip", SHAPE),
        make_op("add", SHAPE, SHAPE),
        make_op("concat", SHAPE, SHAPE),
    )
    inputs = ((INPUT,), (0,), (0,), (2,), (0,), (1, 4), (5, 3))
    return Network(**{"ops": ops, "name": "cell", "inputs": inputs} | changes)


def test_a_network_is_a_chain_unless_inputs_say_otherwise() -> None:
    chain = Network((conv(), conv(kernel=1)))
    assert chain.is_chain
    assert chain.inputs == ((INPUT,), (0,))
    assert Network((conv(), conv(kernel=1)), inputs=((INPUT,), (0,))) == chain
    assert not cell().is_chain


def test_a_chain_has_the_key_of_earlier_versions() -> None:
    assert REFERENCE.key == "e2f91d411732f4fb75fce51aeb827e8a"
    assert conv().key == "7e3b1e823157bd54dd09ff616e1ce214"


def test_a_graph_sums_its_ops_and_knows_its_shapes() -> None:
    network = cell()
    assert network.input_shape == SHAPE
    assert network.output_shape == (16, 6, 6)
    assert network.macs == sum(op.macs for op in network.ops)
    assert network.parameters == sum(op.parameters for op in network.ops)


def test_the_key_of_a_graph_depends_on_its_inputs() -> None:
    swapped = cell(inputs=((INPUT,), (0,), (0,), (2,), (0,), (1, 4), (3, 5)))
    assert swapped.key != cell().key
    assert swapped != cell()
    assert cell(name="other").key == cell().key


def test_a_graph_comes_back_from_its_file(tmp_path: Path) -> None:
    cell().save(tmp_path / "net.json")
    assert Network.load(tmp_path / "net.json") == cell()
    assert json.loads((tmp_path / "net.json").read_text())["inputs"][:2] == [["input"], [0]]


def test_a_file_of_the_first_format_is_a_chain(tmp_path: Path) -> None:
    document = REFERENCE.to_json() | {"format": "latkit-network-1"}
    (tmp_path / "net.json").write_text(json.dumps(document))
    assert Network.load(tmp_path / "net.json") == REFERENCE


def test_identities_are_taken_out_and_their_users_take_what_they_took() -> None:
    bare = cell().without_identities()
    assert [op.kind for op in bare.ops] == ["conv", "conv", "conv", "conv", "add", "concat"]
    assert bare.inputs == ((INPUT,), (0,), (0,), (2,), (1, 0), (4, 3))
    assert bare.without_identities() is bare
    skip = make_op("skip", SHAPE)
    assert Network((skip, conv(), skip, skip)).without_identities() == Network((conv(),))
    assert Network((skip, skip)).without_identities() == Network((skip,))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            ((INPUT,), (6,), (0,), (2,), (0,), (1, 4), (5, 3)),
            "without a cycle, but found op 1 .* > op 5 .* > op 6 .* > op 1",
        ),
        (((INPUT,), (1,), (0,), (2,), (0,), (1, 4), (5, 3)), r"without a cycle, but found op 1 \(conv.*\) > op 1"),
        (((INPUT,), (0,), (3,), (0,), (0,), (1, 4), (5, 3)), "op 2 .* stands before op 3 .*, whose output it takes"),
        (
            ((INPUT,), (9,), (0,), (2,), (0,), (1, 4), (5, 3)),
            "op 1 .* takes the output of op 9, but the ops are 0 to 6",
        ),
        (((INPUT,), (-2,), (0,), (2,), (0,), (1, 4), (5, 3)), "takes the output of op -2, but the ops are 0 to 6"),
        (((INPUT,), (0,), (0,), (2,), (0,), (1, 1), (5, 3)), r"no op takes the output of op 4 \(skip 8x6x6\)"),
        (
            ((INPUT,), (0,), (0,), (0,), (0,), (1, 1), (5, 5)),
            "output of op 2 .*, op 3 .*, op 4 .*: a network has one output",
        ),
        (((INPUT,), (0, 0), (0,), (2,), (0,), (1, 4), (5, 3)), "expected 1 inputs of op 1 .*, but found 2"),
        (((INPUT,), (0,), (0,), (2,), (0,), (1,), (5, 3)), "expected 2 inputs of op 5 .*add .*, but found 1"),
        (((INPUT,), (0,)), "expected inputs of 7 ops, but found those of 2"),
    ],
)
def test_a_graph_that_is_none_names_the_op(inputs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cell(inputs=inputs)


def test_branches_that_do_not_fit_are_refused() -> None:
    small = make_op("conv", SHAPE, out_channels=8, stride=2)
    with pytest.raises(
        UsageError, match=r"conv k3 s2 .* gives \(8, 3, 3\), but add 8x6x6 \+ 8x6x6 expects \(8, 6, 6\)"
    ):
        Network((conv(), small, make_op("add", SHAPE, SHAPE)), inputs=((INPUT,), (INPUT,), (0, 1)))
    other = make_op("conv", (4, 6, 6), out_channels=8)
    with pytest.raises(UsageError, match=r"the network's input gives \(8, 6, 6\), but conv .* expects \(4, 6, 6\)"):
        Network((conv(), other, make_op("add", SHAPE, SHAPE)), inputs=((INPUT,), (INPUT,), (0, 1)))


def test_a_network_takes_its_input() -> None:
    with pytest.raises(UsageError, match="without a cycle"):
        Network((conv(), conv()), inputs=((1,), (0,)))


def test_one_output_can_be_taken_twice() -> None:
    doubled = Network((conv(), make_op("add", SHAPE, SHAPE)), inputs=((INPUT,), (0, 0)))
    assert doubled.output_shape == SHAPE


FORMAT = "latkit-network-2"
OP = {"kind": "linear", "input_shape": [8], "attributes": {"out_features": 2}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps({"format": FORMAT, "ops": [OP], "inputs": {}}), "expected the inputs of a network as one list"),
        (
            json.dumps({"format": FORMAT, "ops": [OP], "inputs": [["x"]]}),
            "the number of an op or 'input', but found 'x'",
        ),
        (json.dumps({"format": FORMAT, "ops": [OP], "inputs": [[-1]]}), "the number of an op or 'input', but found -1"),
        (json.dumps({"format": FORMAT, "ops": [OP], "inputs": [[True]]}), "or 'input', but found True"),
        (
            json.dumps({"format": FORMAT, "ops": [OP], "inputs": [["input"], [0]]}),
            "inputs of 1 ops, but found those of 2",
        ),
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1]", "found no format in it"),
        ("{}", "found no format in it"),
        (
            json.dumps({"format": "latkit-network-9", "ops": []}),
            "found format 'latkit-network-9', which a newer latkit wrote; update latkit",
        ),
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
@given(
    st.sampled_from(REFERENCE.ops),
    st.sampled_from(["kind", "input_shape", "size", "attribute", "name", "other_inputs", "precision", "inputs"]),
    VALUES,
)
def test_a_network_with_a_wrong_value_is_refused_in_a_line_or_can_be_used(
    tmp_path: Path, op: Any, where: str, value: Any
) -> None:
    entry = op.to_json()
    document = {"format": FORMAT, "name": "n", "ops": [entry]}
    if where in ("name", "inputs"):
        document[where] = value
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


def test_a_join_in_a_chain_lacks_inputs() -> None:
    with pytest.raises(UsageError, match=r"expected 2 inputs of op 1 \(add .*\), but found 1"):
        Network((conv(), make_op("add", SHAPE, SHAPE)))


def test_the_file_in_the_documentation_is_a_network() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "file-formats.md").read_text(encoding="utf-8")
    network = Network.from_json(json.loads(text.split("```json\n")[1].split("```")[0]))
    assert [op.kind for op in network.ops] == ["conv", "conv", "add"]
    assert not network.is_chain
