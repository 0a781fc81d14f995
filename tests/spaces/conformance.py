"""What every search space must do: a space's tests inherit these and give the space as a fixture."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from latkit.errors import UsageError
from latkit.spaces import Architecture, Space, load_saved

DRAWS = 400


def drawn(space: Space, count: int = 40) -> list[Architecture]:
    rng = random.Random(0)
    return [space.sample(rng) for _ in range(count)]


class SpaceConformance:
    """Inherit, and define the fixture `space`."""

    def test_conditions_and_ties_name_earlier_choices(self, space: Space) -> None:
        choices = space.choices
        assert choices
        for position, choice in enumerate(choices):
            assert len(choice.options) >= 2
            for condition in choice.active_when:
                assert 0 <= condition.choice < position
                assert condition.options < set(range(len(choices[condition.choice].options)))
                assert condition.options
            if choice.tied_to is not None:
                leader = choices[choice.tied_to]
                assert choice.tied_to < position
                assert leader.tied_to is None
                assert len(leader.options) == len(choice.options)

    def test_samples_are_valid_and_repeatable(self, space: Space) -> None:
        assert [space.check(one) for one in drawn(space)] == drawn(space)
        assert all(type(index) is int for one in drawn(space) for index in one)

    def test_every_option_is_drawn_about_as_often_as_the_others(self, space: Space) -> None:
        """Six standard deviations of a binomial: a fair draw fails one time in 500 million."""
        samples = drawn(space, DRAWS)
        for position, choice in enumerate(space.choices):
            counts = Counter(one[position] for one in samples)
            share = 1 / len(choice.options)
            bound = 6 * (DRAWS * share * (1 - share)) ** 0.5
            assert all(abs(counts[option] - DRAWS * share) <= bound for option in range(len(choice.options)))

    def test_another_number_of_choices_or_an_option_out_of_range_is_refused(self, space: Space) -> None:
        (valid,) = drawn(space, 1)
        beyond = [(*valid[:at], len(choice.options), *valid[at + 1 :]) for at, choice in enumerate(space.choices)]
        for wrong in ((), (*valid, 0), valid[:-1], (-1, *valid[1:]), *beyond):
            for use in (
                space.check,
                space.canonical,
                space.features,
                space.decode,
                lambda one: [*space.neighbors(one)],
            ):
                with pytest.raises(UsageError, match="expected a"):
                    use(wrong)

    def test_the_canonical_form_decodes_to_the_same_network_and_is_its_own(self, space: Space) -> None:
        for architecture in drawn(space):
            canonical = space.canonical(architecture)
            assert space.check(canonical) == canonical
            assert space.canonical(canonical) == canonical
            assert space.decode(canonical) == space.decode(architecture)

    def test_equal_networks_have_one_canonical_form(self, space: Space) -> None:
        forms: dict[str, Architecture] = {}
        for architecture in drawn(space, DRAWS):
            canonical = space.canonical(architecture)
            assert forms.setdefault(space.decode(architecture).key, canonical) == canonical

    def test_neighbors_are_valid_and_differ_in_one_choice(self, space: Space) -> None:
        for architecture in drawn(space, 10):
            neighbors = list(space.neighbors(architecture))
            assert neighbors
            assert len(set(neighbors)) == len(neighbors)
            for neighbor in neighbors:
                assert space.check(neighbor) == neighbor
                moved = [at for at, (a, b) in enumerate(zip(architecture, neighbor, strict=True)) if a != b]
                free = [at for at in moved if space.choices[at].tied_to is None]
                assert len(free) == 1
                assert all(space.choices[at].tied_to == free[0] for at in moved if at not in free)

    def test_a_choice_that_is_not_active_has_no_effect(self, space: Space) -> None:
        for architecture in drawn(space, 10):
            active = space.active(architecture)
            for at, (is_active, choice) in enumerate(zip(active, space.choices, strict=True)):
                if not is_active and choice.tied_to is None and not any(one.tied_to == at for one in space.choices):
                    other = (*architecture[:at], (architecture[at] + 1) % len(choice.options), *architecture[at + 1 :])
                    assert space.decode(other) == space.decode(architecture)
                    assert space.features(other) == space.features(architecture)

    def test_features_have_one_length_and_tell_networks_apart(self, space: Space) -> None:
        samples = drawn(space, DRAWS)
        assert len({len(space.features(one)) for one in samples}) == 1
        found: dict[tuple[float, ...], str] = {}
        for one in samples:
            key = space.decode(one).key
            assert found.setdefault(space.features(one), key) == key

    def test_networks_have_the_shapes_of_the_space_and_ops_that_it_lists(self, space: Space) -> None:
        ops = space.ops()
        assert len(set(ops)) == len(ops)
        assert not any(op.is_identity for op in ops)
        for architecture in drawn(space):
            network = space.decode(architecture, "named")
            assert network.name == "named"
            assert network.input_shape == space.input_shape
            assert network.output_shape == space.output_shape
            assert set(ops).issuperset(network.ops)
            assert space.holds(network)

    def test_networks_build(self, space: Space) -> None:
        import torch

        from latkit.nn import build_module

        network = space.decode(drawn(space, 1)[0])
        with torch.no_grad():
            out = build_module(network).eval()(torch.zeros(1, *network.input_shape))
        assert out.shape == (1, *network.output_shape)

    def test_the_size_counts_the_distinct_samples_at_least(self, space: Space) -> None:
        assert space.size >= len(set(drawn(space, DRAWS)))

    def test_a_saved_space_is_the_same(self, space: Space, tmp_path: Path) -> None:
        space.save(tmp_path / "space.json")
        again = load_saved(tmp_path / "space.json")
        assert (again.name, again.key, again.choices) == (space.name, space.key, space.choices)
        assert [again.decode(one) for one in drawn(again, 5)] == [space.decode(one) for one in drawn(space, 5)]
