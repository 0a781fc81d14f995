import itertools

from latkit.ops import make_op
from latkit.spaces import ChainSpace, Layer, proxyless_mobile, proxyless_tiny, variations


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
