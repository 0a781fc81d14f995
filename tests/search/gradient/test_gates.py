"""The paper's equations against an oracle: the exact gradient, by enumeration and autograd."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latkit.ops import make_op
from latkit.search.gradient.gates import BinaryGates, Draw, masked_logits, one_open, sample, single_path
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.spaces import ChainSpace, Layer, Space


def set_logits(distribution: PathDistribution, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        distribution.logits.copy_(torch.randn(distribution.logits.shape, generator=generator))


def linear_loss(supernet: Supernet, paths: Paths) -> torch.Tensor:
    """A loss that is linear in the scores; with it, a gate's gradient is exact and no first-order estimate."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, 2, 6, 6, generator=generator)
    weights = torch.randn(4, 3, generator=generator)
    return (supernet(images, paths) * weights).sum()


def draw_by_hand(distribution: PathDistribution, indices: list[list[int]]) -> Draw:
    """The draw with these candidates, the first of every choice open. Choices with fewer are padded."""
    width = max(map(len, indices))
    padded = [row + [other for other in range(width) if other not in row][: width - len(row)] for row in indices]
    slots, logits = torch.tensor(padded), masked_logits(distribution)
    paths = one_open(slots, distribution.mask.gather(1, slots))
    return Draw(paths, slots, logits, logits.gather(1, slots).softmax(1))


def estimate(supernet: Supernet, draw: Draw) -> torch.Tensor:
    assert draw.paths.gates is not None
    (by_gate,) = torch.autograd.grad(linear_loss(supernet, draw.paths), draw.paths.gates)
    return BinaryGates().gradient(draw, by_gate, torch.zeros_like(draw.logits))


def test_equation_4_is_the_exact_gradient_of_the_expected_loss(linear_space: Space) -> None:
    torch.manual_seed(0)
    supernet, distribution = Supernet(linear_space), PathDistribution(linear_space)
    set_logits(distribution)
    architectures = list(itertools.product(range(2), range(3)))
    probabilities = distribution.probabilities()

    expected_loss = sum(
        probabilities[0, i] * probabilities[1, j] * linear_loss(supernet, Paths.single((i, j))).detach()
        for i, j in architectures
    )
    (exact,) = torch.autograd.grad(expected_loss, distribution.logits)

    mean = torch.zeros_like(exact)
    for i, j in architectures:
        draw = draw_by_hand(distribution, [[i, 1 - i], [j, *(other for other in range(3) if other != j)]])
        weight = (probabilities[0, i] * probabilities[1, j]).detach()
        mean += weight * estimate(supernet, draw)
    torch.testing.assert_close(mean, exact, rtol=1e-4, atol=1e-5)


def test_two_paths_give_the_exact_gradient_of_the_choice_between_them(linear_space: Space) -> None:
    torch.manual_seed(0)
    supernet, distribution = Supernet(linear_space), PathDistribution(linear_space)
    set_logits(distribution)
    pair, first = [0, 2], [0, 1]
    p = distribution.probabilities()[0]
    q = distribution.logits[1, pair].softmax(0)
    losses = [[linear_loss(supernet, Paths.single((i, j))).detach() for j in pair] for i in first]
    expected_loss = sum(p[i] * q[slot] * losses[i][slot] for i in first for slot in range(2))
    (exact,) = torch.autograd.grad(expected_loss, distribution.logits)

    mean = torch.zeros_like(exact)
    for i, slot in itertools.product(first, range(2)):
        draw = draw_by_hand(distribution, [[i, 1 - i], [pair[slot], pair[1 - slot]]])
        mean += (p[i] * q[slot]).detach() * estimate(supernet, draw)
    torch.testing.assert_close(mean, exact, rtol=1e-4, atol=1e-5)
    assert mean[1, 1] == 0


def test_averaged_over_samples_every_pair_moves_in_the_right_direction(linear_space: Space) -> None:
    """The mean over pairs, each weighted by its probability, equals the docstring of BinaryGates."""
    distribution = PathDistribution(linear_space)
    set_logits(distribution)
    p, losses = distribution.probabilities().detach()[1], torch.tensor([0.3, 1.1, -0.4])
    mean, predicted = torch.zeros(3), torch.zeros(3)
    for a, b in itertools.combinations(range(3), 2):
        drawn = p[a] * p[b] / (1 - p[a]) + p[b] * p[a] / (1 - p[b])
        draw = draw_by_hand(distribution, [[0, 1], [a, b]])
        # of a loss that is linear in the gates, dL/dg_j is the loss of candidate j
        mean += drawn * BinaryGates().gradient(draw, losses[draw.indices], torch.zeros(2, 3))[1]
        moves = drawn / (p[a] + p[b]) ** 2 * p[a] * p[b] * (losses[a] - losses[b])
        predicted[a] += moves
        predicted[b] -= moves
    torch.testing.assert_close(mean, predicted)
    assert (mean * losses)[[1, 2]].min() > 0  # the worst goes down, the best, of negative loss, up


@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from([2, 3]), shift=st.floats(-3, 3))
def test_candidates_not_drawn_keep_their_probability(seed: int, count: int, shift: float) -> None:
    distribution = PathDistribution(pool_space(4))
    set_logits(distribution, seed)
    before = distribution.probabilities().detach()
    rule = BinaryGates(count)
    draw = rule.draw(distribution, 0.0, torch.Generator().manual_seed(seed))
    moved = torch.randn(draw.indices.shape, generator=torch.Generator().manual_seed(seed + 1)) + shift
    with torch.no_grad():
        distribution.logits.scatter_add_(1, draw.indices, moved)
    rule.renormalize(distribution, draw)
    after = distribution.probabilities().detach()
    untouched = torch.ones_like(before, dtype=torch.bool).scatter_(1, draw.indices, False)
    torch.testing.assert_close(after[untouched], before[untouched], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(after, before)


def pool_space(candidates: int) -> Space:
    shape = (1, 8, 8)
    pools = [make_op("pool", shape, kernel=2 * size + 3) for size in range(candidates)]
    return ChainSpace("pools", (Layer("first", tuple(pools)), Layer("second", tuple(pools[:-1]))))


def test_a_draw_opens_one_candidate_and_closes_one_other(linear_space: Space) -> None:
    distribution, generator = PathDistribution(linear_space), torch.Generator().manual_seed(0)
    for _ in range(50):
        draw = BinaryGates().draw(distribution, 0.0, generator)
        assert draw.paths.gates is not None
        assert draw.paths.gates.tolist() == [[1, 0], [1, 0]]
        for row, opened, closed in zip(draw.indices.tolist(), draw.paths.open, draw.paths.closed, strict=True):
            assert row == [*opened, *closed]
            assert opened != closed
        assert max(draw.paths.open[0] + draw.paths.closed[0]) < 2


def test_of_a_pair_each_is_opened_by_its_renormalized_probability() -> None:
    """Not by the order in which they were drawn, which favors the less probable one."""
    pools = tuple(make_op("pool", (1, 8, 8), kernel=kernel) for kernel in (3, 5, 7))
    distribution = PathDistribution(ChainSpace("many", tuple(Layer(f"layer{number}", pools) for number in range(1000))))
    p = torch.tensor([0.7, 0.2, 0.1])
    with torch.no_grad():
        distribution.logits.copy_(p.log().expand(1000, 3))
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([BinaryGates().draw(distribution, 0.0, generator).indices for _ in range(5)])
    for a, b in itertools.combinations(range(3), 2):
        pair = drawn[drawn.sum(1) == a + b]
        assert float((pair[:, 0] == a).double().mean()) == pytest.approx(float(p[a] / (p[a] + p[b])), abs=0.06)


def test_as_many_paths_as_candidates_draw_no_padding(linear_space: Space) -> None:
    distribution = PathDistribution(linear_space)
    draw = BinaryGates(3).draw(distribution, 0.0, torch.Generator().manual_seed(0))
    assert sorted(draw.paths.open[0] + draw.paths.closed[0]) == [0, 1]
    assert sorted(draw.paths.open[1] + draw.paths.closed[1]) == [0, 1, 2]


def test_candidates_are_drawn_by_their_probabilities_without_replacement() -> None:
    distribution = PathDistribution(pool_space(4))
    set_logits(distribution, 3)
    p = distribution.probabilities().detach()[0]
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([sample(distribution, 2, generator)[0] for _ in range(4000)])
    firsts = torch.bincount(draws[:, 0], minlength=4) / len(draws)
    torch.testing.assert_close(firsts, p, rtol=0, atol=0.03)
    pairs = torch.zeros(4, 4).index_put_((draws[:, 0], draws[:, 1]), torch.ones(len(draws)), accumulate=True)
    expected = (p[:, None] * p[None, :] / (1 - p[:, None])).fill_diagonal_(0)
    torch.testing.assert_close(pairs / len(draws), expected, rtol=0, atol=0.03)


def test_a_candidate_whose_probability_underflows_can_still_be_the_second() -> None:
    distribution = PathDistribution(pool_space(4))
    with torch.no_grad():
        distribution.logits[:, 0] = 1e4
    draw = BinaryGates().draw(distribution, 0.0, torch.Generator().manual_seed(0))
    assert draw.paths.open == ((0,), (0,))
    assert all(closed != (0,) for closed in draw.paths.closed)


def test_single_path_gives_one_candidate_per_choice(linear_space: Space) -> None:
    paths = single_path(PathDistribution(linear_space), torch.Generator().manual_seed(0))
    assert [len(row) for row in paths.open] == [1, 1]
    assert paths.gates is None


def test_entropy_is_one_when_undecided_and_none_when_decided(linear_space: Space) -> None:
    distribution = PathDistribution(linear_space)
    assert float(distribution.entropy().detach()) == pytest.approx(1)
    with torch.no_grad():
        distribution.logits[:, 0] = 1e3
    assert float(distribution.entropy().detach()) == pytest.approx(0)
    assert distribution.strongest() == (0, 0)
    rows = distribution.rows(distribution.probabilities())
    assert rows == [[1.0, 0.0], [1.0, 0.0, 0.0]]
