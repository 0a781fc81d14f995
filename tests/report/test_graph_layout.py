"""Networks with branches in a picture: nothing stands on anything else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from latkit.report.figures.graph_layout import GraphLayout, lay_out


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Inputs of ops, each after its inputs."""
    count = draw(st.integers(1, 12))
    return [sorted(draw(st.sets(st.integers(-1, index - 1), min_size=1, max_size=3))) for index in range(count)]


def spots(layout: GraphLayout) -> list[tuple[int, tuple[int, int]]]:
    """Every place that is taken, by the op or the output that takes it."""
    passed = {(edge.source, spot) for edge in layout.edges for spot in edge.through}
    return [*enumerate(layout.places), *passed]


@given(graphs())
def test_every_op_and_every_passing_edge_has_a_place_of_its_own(inputs: list[list[int]]) -> None:
    layout = lay_out(inputs)
    taken = [spot for _, spot in spots(layout)]
    assert len(set(taken)) == len(taken)
    assert all(0 <= level < layout.levels and 0 <= lane < layout.lanes for level, lane in taken)


@given(graphs())
def test_edges_lead_from_left_to_right_level_by_level(inputs: list[list[int]]) -> None:
    layout = lay_out(inputs)
    assert [(edge.source, edge.target) for edge in layout.edges] == [
        (source, target) for target, taken in enumerate(inputs) for source in taken
    ]
    for edge in layout.edges:
        start = layout.places[edge.source][0] if edge.source >= 0 else -1
        levels = [start, *(level for level, _ in edge.through), layout.places[edge.target][0]]
        assert levels == list(range(start, start + len(levels)))


def test_a_chain_has_one_lane() -> None:
    layout = lay_out([[-1], [0], [1], [2]])
    assert layout.places == ((0, 0), (1, 0), (2, 0), (3, 0))
    assert (layout.lanes, layout.levels) == (1, 4)


def test_a_branch_that_is_skipped_passes_beside_the_ops() -> None:
    layout = lay_out([[-1], [0], [1], [2, 0]])
    assert layout.places == ((0, 0), (1, 0), (2, 0), (3, 0))
    assert layout.edges[-1].through == ((1, 1), (2, 1))
