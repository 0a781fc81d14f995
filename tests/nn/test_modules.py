"""The counts of ops equal those that torch finds when it builds and runs them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from latkit.nn import GraphModule, build_module, example_input, example_inputs
from latkit.ops import ACTIVATIONS, INPUT, KINDS, OVERHEAD_PROBE, Network, Op, make_op
from latkit.timing import REFERENCE

SPREAD = [
    OVERHEAD_PROBE,
    make_op("conv", (3, 32, 32), out_channels=16, stride=2),
    make_op("conv", (8, 7, 9), out_channels=12, kernel=5, groups=4, activation="hswish"),
    make_op("conv", (4, 5, 5), out_channels=8, kernel=1, activation="none"),
    make_op("mbconv", (8, 14, 14), out_channels=8, kernel=7, expansion=3),
    make_op("mbconv", (8, 15, 13), out_channels=12, kernel=5, stride=2),
    make_op("mbconv", (6, 8, 8), out_channels=4, expansion=1, activation="sigmoid"),
    make_op("mbconv", (6, 8, 8), out_channels=6, residual=False, activation="none"),
    make_op("linear", (13,), out_features=7),
    make_op("pool", (5, 6, 7)),
    make_op("pool", (5, 6, 7), function="max"),
    make_op("pool", (5, 6, 7), kernel=3, stride=2),
    make_op("pool", (5, 7, 7), kernel=5, stride=1, function="max"),
    make_op("activation", (9,), function="hswish"),
    make_op("flatten", (3, 4, 5)),
    make_op("skip", (3, 4, 5)),
    make_op("skip", (6,)),
    make_op("add", (3, 4, 5), (3, 4, 5), (3, 4, 5)),
    make_op("concat", (3, 4, 5), (2, 4, 5)),
    make_op("pool", (5, 6, 8), kernel=2, stride=2),
    make_op("batch_norm", (3, 4, 5), activation="relu"),
    make_op("slice", (3, 4, 5), out_channels=2),
    make_op("squeeze_excite", (6, 4, 5), hidden=3),
    make_op("mbconv_se", (6, 4, 5), out_channels=6, expansion=2),
    make_op("mbconv_se", (6, 4, 5), out_channels=8, expansion=1, stride=2, activation="hswish"),
    make_op("dilated_conv", (4, 7, 8), out_channels=4, kernel=5, stride=2, groups=4, activation="none"),
    make_op("zero", (3, 4, 5)),
]


@st.composite
def images(draw: st.DrawFn) -> tuple[int, int, int]:
    size = st.integers(1, 12)
    return draw(st.integers(1, 8)), draw(size), draw(size)


@st.composite
def drawn_ops(draw: st.DrawFn) -> Op:
    """A small op of one of the kinds that have weights, or a windowed pool."""
    shape = draw(images())
    common = {"kernel": draw(st.sampled_from((1, 3, 5, 7))), "stride": draw(st.integers(1, 3))}
    kind = draw(st.sampled_from(("conv", "mbconv", "pool")))
    if kind == "pool":
        return make_op("pool", shape, function=draw(st.sampled_from(("average", "max"))), **common)
    common["out_channels"] = draw(st.integers(1, 8))
    activation = draw(st.sampled_from(ACTIVATIONS))
    if kind == "mbconv":
        return make_op("mbconv", shape, expansion=draw(st.integers(1, 6)), activation=activation, **common)
    groups = draw(st.sampled_from([n for n in range(1, 9) if shape[0] % n == common["out_channels"] % n == 0]))
    return make_op("conv", shape, groups=groups, activation=activation, **common)


def check_against_torch(workload: Op | Network, batch: int) -> None:
    module = build_module(workload).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = module(*example_inputs(workload, batch))
    assert tuple(output.shape) == (batch, *workload.output_shape)
    assert counter.get_total_flops() == 2 * batch * workload.macs
    assert sum(parameter.numel() for parameter in module.parameters()) == workload.parameters


@pytest.mark.parametrize("op", SPREAD, ids=lambda op: op.title)
def test_an_op_counts_what_torch_counts(op: Op) -> None:
    check_against_torch(op, batch=1)
    check_against_torch(op, batch=2)


@given(drawn_ops())
@settings(max_examples=60, deadline=None)
def test_a_drawn_op_counts_what_torch_counts(op: Op) -> None:
    check_against_torch(op, batch=1)


def test_a_network_counts_what_torch_counts() -> None:
    check_against_torch(REFERENCE, batch=2)


def test_a_graph_module_takes_each_output_where_it_is_used() -> None:
    shape = (4, 6, 6)
    conv, pointwise = make_op("conv", shape, out_channels=4), make_op("conv", shape, out_channels=4, kernel=1)
    ops = (conv, pointwise, make_op("add", shape, shape, shape), make_op("concat", shape, shape))
    network = Network(ops, "cell", ((INPUT,), (INPUT,), (0, 1, 0), (2, INPUT)))
    module = build_module(network).eval()
    assert isinstance(module, GraphModule)
    x = example_input(shape, 2)
    first, second = module.get_submodule("0"), module.get_submodule("1")
    expected = torch.cat((first(x) + second(x) + first(x), x), dim=1)
    torch.testing.assert_close(module(x), expected)
    assert set(module.state_dict()) == set(torch.nn.Sequential(*map(build_module, ops)).state_dict())
    check_against_torch(network, batch=2)


def test_examples_of_several_inputs_differ() -> None:
    first, second = example_inputs(make_op("add", (4, 6, 6), (4, 6, 6)), 2)
    assert first.shape == second.shape == (2, 4, 6, 6)
    assert not torch.equal(first, second)


def test_every_kind_is_in_the_spread() -> None:
    assert {op.kind for op in SPREAD} == set(KINDS.names())


def test_a_residual_adds_the_input() -> None:
    with_residual = make_op("mbconv", (4, 6, 6), out_channels=4)
    without = make_op("mbconv", (4, 6, 6), out_channels=4, residual=False)
    with_skip, bare = build_module(with_residual).eval(), build_module(without).eval()
    bare.load_state_dict(with_skip.state_dict())
    x = example_input(with_residual.input_shape)
    torch.testing.assert_close(with_skip(x), bare(x) + x)


def test_an_example_input_is_random_repeatable_and_leaves_global_random_state() -> None:
    before = torch.get_rng_state()
    first, again = example_input(REFERENCE.input_shape, 2), example_input(REFERENCE.input_shape, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert first.shape == (2, *REFERENCE.input_shape)
    assert first.std() > 0.5
    assert not torch.equal(first, example_input(REFERENCE.input_shape, 2, seed=1))
