import itertools

from latkit.spaces import proxyless_mobile, proxyless_tiny, variations


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
