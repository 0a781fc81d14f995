"""Spaces in general: which layers fit together, and architectures encoded and decoded."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latkit import spaces
from latkit.errors import BadFile, UsageError
from latkit.ops import Network, Op, make_op
from latkit.spaces import ChainSpace, Layer, load, proxyless_tiny
from latkit.spaces.elastic.chain import chain_of

MOBILE = spaces.load("proxyless-mobile")
SHAPE = (8, 4, 4)
THREE, FIVE = (make_op("mbconv", SHAPE, out_channels=8, kernel=kernel) for kernel in (3, 5))
SKIP = make_op("skip", SHAPE)
architectures = st.tuples(*(st.integers(0, len(layer.candidates) - 1) for layer in MOBILE.choice_layers))


@given(architectures)
@settings(max_examples=50, deadline=None)
def test_what_is_encoded_decodes_to_the_same_network(architecture: tuple[int, ...]) -> None:
    network = MOBILE.decode(architecture)
    assert not any(op.is_identity for op in network.ops)
    found = MOBILE.encode(network)
    assert MOBILE.decode(found) == network
    assert found <= architecture  # the first of those that decode to it: skips of equal blocks may trade places


@given(st.integers())
def test_a_sample_is_an_architecture_and_repeatable(seed: int) -> None:
    architecture = MOBILE.sample(random.Random(seed))
    assert MOBILE.check(architecture) == architecture
    assert MOBILE.sample(random.Random(seed)) == architecture


def test_samples_reach_every_candidate() -> None:
    rng = random.Random(0)
    drawn = [MOBILE.sample(rng) for _ in range(200)]
    for place, layer in enumerate(MOBILE.choice_layers):
        assert {architecture[place] for architecture in drawn} == set(range(len(layer.candidates)))


@pytest.mark.parametrize("wrong", [(), (0,) * 20, (0,) * 22, (6, *(0,) * 20), (-1, *(0,) * 20)])
def test_an_architecture_of_another_space_is_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="expected a"):
        MOBILE.decode(wrong)


def test_a_network_of_another_space_is_refused() -> None:
    full_network = MOBILE.decode((0,) * 21)
    for stranger in (Network(full_network.ops[:-1]), Network(full_network.ops[1:]), Network((THREE,))):
        with pytest.raises(UsageError, match="is not a network of space proxyless-mobile"):
            MOBILE.encode(stranger)


def test_a_skip_is_found_where_it_must_be() -> None:
    space = ChainSpace("s", (Layer("a", (THREE, FIVE, SKIP)), Layer("b", (THREE, SKIP)), Layer("c", (FIVE, THREE))))
    assert space.encode(Network((THREE, FIVE))) == (0, 1, 0)
    assert space.encode(Network((FIVE, THREE, FIVE))) == (1, 0, 0)
    assert space.encode(Network((FIVE,))) == (2, 1, 0)


def test_ops_that_stand_in_several_layers_count_once() -> None:
    space = ChainSpace("s", (Layer("a", (THREE, SKIP)), Layer("b", (FIVE, THREE))))
    assert space.ops() == (THREE, FIVE)


def test_layers_that_do_not_fit_are_refused() -> None:
    wider = make_op("mbconv", SHAPE, out_channels=16)
    cases = [
        (lambda: Layer("a", ()), "expected at least one candidate"),
        (lambda: Layer("a", (THREE, THREE)), "a candidate stands there twice"),
        (lambda: Layer("a", (THREE, wider)), r"gives \(16, 4, 4\) from \(8, 4, 4\)"),
        (lambda: ChainSpace("s", ()), "expected at least one layer"),
        (lambda: ChainSpace("s", (Layer("a", (THREE,)),)), "every layer is fixed"),
        (lambda: ChainSpace("s", (Layer("a", (THREE, SKIP)),)), "a layer without a skip"),
        (lambda: ChainSpace("s", (Layer("a", (THREE, FIVE)),) * 1001), "at most 1000, but found 1001"),
        (lambda: ChainSpace("s\n", (Layer("a", (THREE, FIVE)),)), "a space's name of 1 to 100 characters"),
        (lambda: Layer("\x1b[2J", (THREE, FIVE)), "a layer's name of 1 to 100 characters"),
        (lambda: ChainSpace("s", (Layer("a", (wider,)), Layer("b", (THREE, FIVE)))), "layer a gives"),
    ]
    for make, message in cases:
        with pytest.raises(UsageError, match=message):
            make()


@given(st.lists(st.sampled_from([(THREE, FIVE), (THREE, SKIP), (SKIP, THREE, FIVE)]), max_size=5), st.data())
@settings(max_examples=100, deadline=None)
def test_the_first_architecture_of_a_network_is_found(choices: list[tuple[Op, ...]], data: st.DataObject) -> None:
    space = ChainSpace("s", (Layer("a", (THREE, FIVE)), *(Layer("b", candidates) for candidates in choices)))
    every = list(itertools.product(*(range(len(layer.candidates)) for layer in space.layers)))
    network = space.decode(data.draw(st.sampled_from(every)))
    assert space.encode(network) == next(one for one in every if space.decode(one) == network)


def test_a_long_space_of_skips_is_encoded_quickly() -> None:
    space = ChainSpace("s", (Layer("a", (THREE,)), *(Layer("b", (THREE, SKIP)) for _ in range(900))))
    network = space.decode([1, 0] * 450)
    assert space.decode(space.encode(network)) == network
    assert not space.holds(Network((*network.ops, FIVE)))


def test_a_saved_space_is_the_same(tmp_path: Path) -> None:
    space = proxyless_tiny(resolution=8)
    space.save(tmp_path / "space.json")
    again = ChainSpace.load(tmp_path / "space.json")
    assert again == space
    assert again.key == space.key


def test_a_file_that_is_no_space_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    with pytest.raises(BadFile, match="no such file"):
        ChainSpace.load(path)
    texts = ["nonsense", "[]", "{}", '{"format": "latkit-space-1", "name": "x", "layers": [{"name": "a"}]}']
    deep = '{"format": "latkit-space-1", "layers": [], "name": ' + "[" * 5000 + "]" * 5000 + "}"
    for text in (*texts, deep, texts[-1].replace('"x"', "1" + "0" * 5000), texts[-1].replace("x", r"\ud800")):
        path.write_text(text)
        with pytest.raises(BadFile, match="search space"):
            ChainSpace.load(path)


def test_a_space_gives_the_chain_that_a_search_by_gradient_runs_on() -> None:
    chain = load("proxyless-tiny", resolution=16)
    assert chain.chain_at() is chain.chain_at(16) is chain
    with pytest.raises(UsageError, match=r"expected a resolution of 16 and no width, but found 32 and 0\.5"):
        chain.chain_at(32, 0.5)
    assert load("ofa-tiny").chain_at() == chain_of(load("ofa-tiny"))
    with pytest.raises(UsageError, match="expected a chain or an elastic space, but found space darts"):
        load("darts").chain_at()
