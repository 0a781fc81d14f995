import pytest

from latkit.graphs import Node, Tensor, node_macs

HIDDEN, INPUT, STEPS = 16, 8, 20


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_operators_count_every_step(op: str, gates: int, directions: int) -> None:
    tensors = (
        Tensor((STEPS, 2, INPUT)),
        Tensor((directions, gates * HIDDEN, INPUT)),
        Tensor((directions, gates * HIDDEN, HIDDEN)),
    )
    node = Node(op, (0, 1, 2), (Tensor((STEPS, directions, 2, HIDDEN)),))
    assert node_macs(node, tensors) == STEPS * 2 * directions * gates * HIDDEN * (INPUT + HIDDEN)


@pytest.mark.parametrize(
    ("left", "right", "made", "macs"),
    [
        ((4, 32), (32,), (4,), 128),
        ((32,), (32,), (), 32),
        ((32,), (32, 5), (5,), 160),
        ((2, 4, 3), (3, 5), (2, 4, 5), 120),
    ],
)
def test_products_of_any_rank(left: tuple, right: tuple, made: tuple, macs: int) -> None:
    assert node_macs(Node("MatMul", (0, 1), (Tensor(made),)), (Tensor(left), Tensor(right))) == macs


@pytest.mark.parametrize("equation", ["bij,bjk->bik", "...ij,...jk->...ik", "b ij, bjk"])
def test_sums_of_products(equation: str) -> None:
    node = Node("Einsum", (0, 1), (Tensor((2, 3, 5)),), (("equation", equation),))
    assert node_macs(node, (Tensor((2, 3, 4)), Tensor((2, 4, 5)))) == 2 * 3 * 4 * 5
