import itertools
import random

from latkit.ops import make_op
from latkit.spaces import ChainSpace, Layer, proxyless_mobile, proxyless_tiny, variations
from latkit.spaces.variations import _vary


def test_variations_are_other_ops_of_the_same_kinds_and_always_the_same() -> None:
    space = proxyless_mobile()
    drawn = list(itertools.islice(variations(space), 200))
    assert drawn == list(itertools.islice(variations(space), 200))
    assert drawn[:50] == list(itertools.islice(variations(space), 50))
    assert len(set(drawn)) == 200
    assert not set(drawn) & set(space.ops())
    assert {op.kind for op in drawn} == {op.kind for op in space.ops()}
    assert drawn != list(itertools.islice(variations(proxyless_tiny()), 200))


def test_variations_stay_near_the_space() -> None:
    space = proxyless_mobile()
    largest = {kind: max(op.macs for op in space.ops() if op.kind == kind) for kind in ("conv", "mbconv", "linear")}
    for op in itertools.islice(variations(space), 200):
        assert op.input_shape[0] == 3 or op.input_shape[0] % 8 == 0
        assert op.macs <= 12 * largest.get(op.kind, 0) or op.kind == "pool"


def test_a_space_of_few_variations_has_an_end() -> None:
    shape = (4, 2, 2)  # channels of an image stay, and a side is 1 or 2
    layer = Layer("pool", tuple(make_op("pool", shape, kernel=kernel) for kernel in (3, 5)))
    drawn = list(variations(ChainSpace("few", (layer,))))
    assert 0 < len(drawn) == len(set(drawn)) < 10
    assert {op.input_shape for op in drawn} <= {(4, 1, 1), (4, 1, 2), (4, 2, 1), (4, 2, 2)}


def test_a_variation_keeps_the_number_of_inputs_and_the_precision() -> None:
    joins = [make_op("concat", (16, 8, 8), (32, 8, 8), precision="int8"), make_op("add", (16, 8, 8), (16, 8, 8))]
    rng = random.Random(0)
    for op in joins:
        varied = [found for _ in range(20) if (found := _vary(op, [op], rng)) is not None]
        assert varied
        assert {(one.kind, len(one.input_shapes), one.precision) for one in varied} == {(op.kind, 2, op.precision)}
