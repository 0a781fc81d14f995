"""Ops: made and checked, keys, JSON there and back."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import UsageError
from latkit.ops import KINDS, OVERHEAD_PROBE, Op, OpKind, get_kind, make_op, register_kind


@st.composite
def ops(draw: st.DrawFn) -> Op:
    channels, size = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    return make_op(
        "mbconv",
        (channels, size, size),
        out_channels=draw(st.integers(1, 64)),
        kernel=draw(st.sampled_from((1, 3, 5, 7))),
        stride=draw(st.integers(1, 2)),
        expansion=draw(st.integers(1, 6)),
    )


@given(ops())
def test_an_op_comes_back_from_json(op: Op) -> None:
    back = Op.from_json(json.loads(json.dumps(op.to_json())))
    assert back == op
    assert back.key == op.key


@given(ops(), ops())
def test_keys_are_equal_exactly_when_ops_are(one: Op, other: Op) -> None:
    assert (one.key == other.key) == (one == other)


def test_defaults_are_part_of_the_op() -> None:
    short = make_op("mbconv", (8, 4, 4), out_channels=8)
    long = make_op("mbconv", (8, 4, 4), out_channels=8, kernel=3, stride=1, expansion=6, residual=True)
    assert short == long
    assert short["residual"] is True
    assert make_op("mbconv", (8, 4, 4), out_channels=9)["residual"] is False


def test_a_key_never_changes() -> None:
    """Measurements are stored under keys: a changed key would orphan them."""
    assert OVERHEAD_PROBE.key == "ba59b828db9cc9b7ab7053ae31a5ccb1"


@pytest.mark.parametrize(
    ("kind", "shape", "attributes", "message"),
    [
        (
            "convolution",
            (3, 8, 8),
            {},
            "unknown op kind 'convolution'; known op kinds: activation, add, batch_norm, concat",
        ),
        ("conv", (3, 8), {"out_channels": 4}, "expected an input shape of rank 3"),
        ("conv", (3, 0, 8), {"out_channels": 4}, "positive sizes"),
        ("conv", (3, 8, 8), {}, "attribute 'out_channels' is missing"),
        ("conv", (3, 8, 8), {"out_channels": 4, "dilation": 2}, "unknown attribute 'dilation'; it takes out_channels"),
        ("conv", (3, 8, 8), {"out_channels": 4.0}, "expected out_channels to be int, but found 4.0"),
        ("conv", (3, 8, 8), {"out_channels": True}, "expected out_channels to be int, but found True"),
        ("conv", (3, 8, 8), {"out_channels": 0}, "expected out_channels of at least 1, but found 0"),
        ("conv", (3, 8, 8), {"out_channels": 4, "kernel": 2}, "expected an odd kernel, but found 2"),
        ("conv", (3, 8, 8), {"out_channels": 4, "groups": 2}, "expected channels that 2 groups divide"),
        ("conv", (3, 8, 8), {"out_channels": 4, "activation": "gelu"}, "expected activation to be one of"),
        ("mbconv", (3, 8, 8), {"out_channels": 4, "residual": True}, "a residual needs an op that keeps its shape"),
        ("pool", (3, 8, 8), {"kernel": 4}, "expected an odd kernel, but found 4"),
        ("pool", (3, 7, 8), {"kernel": 2, "stride": 2}, "a kernel of 2 needs an even height and width"),
        ("pool", (3, 8, 8), {"kernel": 2}, "expected an odd kernel, but found 2"),
        ("slice", (3, 8, 8), {"out_channels": 3}, "expected fewer than 3 channels"),
        ("linear", (3, 8, 8), {"out_features": 4}, "expected an input shape of rank 1"),
    ],
)
def test_a_wrong_op_says_what_was_expected(
    kind: str, shape: tuple[int, ...], attributes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_op(kind, shape, **attributes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"kind": "skip"},
        {"kind": "skip", "input_shape": [1, 1, 1], "attributes": {}, "extra": 1},
        {"kind": "skip", "input_shape": "111", "attributes": {}},
        {"kind": "skip", "input_shape": [1, 1, 1], "attributes": []},
        {"kind": ["skip"], "input_shape": [1, 1, 1], "attributes": {}},
        {"kind": "skip", "input_shape": [1.5, 1, 1], "attributes": {}},
        {"kind": "skip", "input_shape": [[1], 1, 1], "attributes": {}},
        {"kind": "linear", "input_shape": [4], "attributes": {"out_features": None}},
        {"kind": "linear", "input_shape": [4], "attributes": {"out_features": [4]}},
        {"kind": "linear", "input_shape": [4], "attributes": {"kind": "linear"}},
        {"kind": "linear", "input_shape": [4], "attributes": {"input_shape": 4}},
    ],
)
def test_a_document_that_is_no_op_is_refused(document: object) -> None:
    with pytest.raises(UsageError):
        Op.from_json(document)


def test_an_attribute_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="a linear op has no attribute 'kernel'"):
        make_op("linear", (3,), out_features=1)["kernel"]


def test_a_kind_is_registered_once() -> None:
    with pytest.raises(UsageError, match="a second op kind cannot be named 'skip': latkit has one of that name"):
        register_kind(get_kind("skip"))


def test_every_kind_has_a_name_and_a_title_and_one_is_the_identity() -> None:
    for name, kind in KINDS.items().items():
        assert kind is get_kind(name)
        assert kind.name == name
        assert kind.title
    assert [name for name, kind in KINDS.items().items() if kind.is_identity] == ["skip"]


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown op kind 'con'; known op kinds: activation, .*conv, .*skip"):
        make_op("con", (3, 8, 8))


def test_the_records_need_no_torch() -> None:
    code = "import sys; from latkit.ops import KINDS; KINDS.items(); print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_title_is_for_people() -> None:
    op = make_op("mbconv", (24, 56, 56), out_channels=24, kernel=5)
    assert op.title == "mbconv k5 e6 s1 24x56x56 > 24"


@pytest.mark.parametrize(
    ("kind", "shape", "attributes", "found"),
    [
        ("conv", (3, 8, 8), {"out_channels": 2**31}, "out_channels of at most 536870912, but found 2147483648"),
        ("conv", (3, 8, 8), {"out_channels": 10**5000}, "but found a number of thousands of digits"),
        ("pool", (3, 2**20, 2**20), {}, "an input of at most 536870912 numbers, but found"),
        ("pool", (3, 10**5000, 1), {}, "an input of at most 536870912 numbers, but found"),
        ("conv", (3, 8192, 8192), {"out_channels": 64}, "an output of at most 536870912 numbers, but found"),
        ("conv", (3, 8, 8), {"out_channels": 3, "kernel": 16385}, "at most 536870912 parameters, but found"),
        ("linear", (2**20,), {"out_features": 2**20}, "at most 536870912 parameters, but found"),
        ("mbconv", (3, 8, 8), {"out_channels": 3, "expansion": 2**29}, "at most 536870912 parameters, but found"),
        ("x" * 5000, (3, 8, 8), {}, "unknown op kind 'xxx"),
        ("conv", (3, 8, 8), {"out_channels": "x" * 5000}, "expected out_channels to be int, but found 'xxx"),
    ],
)
def test_what_no_model_file_holds_is_refused(kind: str, shape: Any, attributes: dict[str, Any], found: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_op(kind, shape, **attributes)
    assert found in str(caught.value)
    assert len(str(caught.value)) < 300


class Scale(OpKind):
    """One factor per channel: a kind that gives only what has no default."""

    name = "scale"
    title = "Scale"

    def output_shape(self, op: Op) -> tuple[int, ...]:
        return op.input_shape

    def module(self, op: Op) -> object:
        raise NotImplementedError


def test_a_kind_gives_only_what_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KINDS, "_loaded", dict(KINDS._loaded))
    register_kind(Scale())
    op = make_op("scale", (4, 3, 3))
    assert (op.title, op.macs, op.parameters, op.activation_peak) == ("scale 4x3x3", 0, 0, 72)
    assert [part.kind for part in op.parts] == ["other"]
    assert (op.work.elements, op.work.hidden) == (72, 4)
    assert op.definition.drawing(op).lines == ("scale",)
    assert not op.definition.is_residual(op)


def test_ops_with_several_inputs() -> None:
    total = make_op("add", (4, 3, 3), (4, 3, 3), (4, 3, 3))
    assert total.output_shape == (4, 3, 3)
    assert (total.input_elements, total.work.elements, total.activation_peak) == (108, 144, 144)
    assert (total.parts[0].read, total.parts[0].written) == (108, 36)
    joined = make_op("concat", (4, 3, 3), (2, 3, 3))
    assert joined.output_shape == (6, 3, 3)
    assert joined.title == "concat 4x3x3 + 2x3x3"
    assert make_op("concat", (4,), (2,)).output_shape == (6,)
    for op in (total, joined):
        assert Op.from_json(json.loads(json.dumps(op.to_json()))) == op
    assert make_op("add", (4,), (4,)).key != make_op("add", (4,), (4,), (4,)).key


@pytest.mark.parametrize(
    ("kind", "shapes", "message"),
    [
        ("add", ((4, 3, 3),), "add: expected the shapes of 2 to 64 inputs, but found 1"),
        ("add", ((4, 3, 3), (2, 3, 3)), "add: expected inputs of one shape, but found add 4x3x3 + 2x3x3"),
        ("concat", ((4, 3, 3), (4, 2, 3)), "concat: expected inputs of one height and width, but found concat 4x3x3"),
        ("concat", ((4, 3, 3), (4,)), "concat: expected inputs of one height and width"),
        ("concat", ((4, 3, 3), (4, 0, 3)), "with positive sizes"),
        ("concat", ((2**28, 1, 1), (2**29, 1, 1)), "an output of at most 536870912 numbers"),
        ("conv", ((4, 3, 3), (4, 3, 3)), "conv: expected the shapes of 1 inputs, but found 2"),
        ("conv", (), "conv: expected the shapes of 1 inputs, but found 0"),
    ],
)
def test_inputs_that_do_not_fit_an_op(kind: str, shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_op(kind, *shapes)
    assert message in str(caught.value)


def test_bytes_follow_from_the_precision() -> None:
    single, quarter = (make_op("conv", (3, 8, 8), out_channels=5, precision=p) for p in ("fp32", "int8"))
    assert single == make_op("conv", (3, 8, 8), out_channels=5)
    assert single.parameter_bytes == 4 * single.parameters == 4 * quarter.parameter_bytes
    assert single.activation_peak_bytes == 4 * quarter.activation_peak_bytes
    assert make_op("linear", (3,), out_features=5, precision="int4").bytes(3) == 2
    assert quarter.title.endswith(" > 5 int8")
    assert quarter.key != single.key
    assert "precision" not in single.to_json()
    assert Op.from_json(quarter.to_json()) == quarter


def test_an_unknown_precision_lists_the_known_ones() -> None:
    known = (
        "known precisions: bf16, fp16, fp32, int16, int4, int4-dynamic, int4-weights, int8, int8-dynamic, int8-weights"
    )
    with pytest.raises(UsageError, match=f"unknown precision 'fp8'; {known}"):
        make_op("flatten", (3, 8, 8), precision="fp8")
    with pytest.raises(UsageError, match="unknown precision 8"):
        Op.from_json({"kind": "flatten", "input_shape": [3, 8, 8], "attributes": {}, "precision": 8})
    with pytest.raises(UsageError, match="unknown attribute 'precision'; it takes none"):
        Op.from_json({"kind": "flatten", "input_shape": [3, 8, 8], "attributes": {"precision": "int8"}})
