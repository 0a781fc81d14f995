import random

import pytest
import torch

from latkit.errors import UsageError
from latkit.ops import make_op
from latkit.spaces import proxyless_tiny
from latkit.tables import PeakTable, Quantities, macs_table, parameters_table

SPACE = proxyless_tiny(resolution=8)
TABLES = Quantities({"macs": macs_table(SPACE), "parameters": parameters_table(SPACE), "peak": PeakTable(SPACE)})


def test_an_architecture_has_what_its_network_has() -> None:
    rng = random.Random(0)
    for _ in range(5):
        architecture = SPACE.sample(rng)
        network = SPACE.decode(architecture)
        peak = 4 * max(op.activation_peak for op in network.ops)
        found = TABLES.lookup(torch.tensor(architecture))
        expected = {"macs": network.macs, "parameters": network.parameters, "peak": peak}
        assert {name: float(value) for name, value in found.items()} == expected
        again = TABLES(TABLES.named["macs"].one_hot(architecture))
        assert {name: float(value) for name, value in again.items()} == expected


def test_every_quantity_passes_a_gradient() -> None:
    probabilities = TABLES.named["macs"].softmax(torch.zeros(2, *TABLES.named["macs"].mask.shape)).requires_grad_()
    for value in TABLES(probabilities).values():
        (gradient,) = torch.autograd.grad(value.sum(), probabilities)
        assert gradient.abs().sum() > 0


def test_the_peak_of_an_mbconv_is_inside_it() -> None:
    op = make_op("mbconv", (8, 4, 4), out_channels=8, kernel=3, expansion=6)
    retained, hidden = 8 * 16, 48 * 16
    assert op.activation_peak == retained + hidden + hidden
    halved = make_op("mbconv", (8, 4, 4), out_channels=16, kernel=3, expansion=6, stride=2)
    assert halved.activation_peak == hidden + hidden // 4
    plain = make_op("mbconv", (8, 4, 4), out_channels=8, kernel=3, expansion=1)
    assert plain.activation_peak == 3 * retained
    pool = make_op("pool", (8, 4, 4))
    assert pool.activation_peak == 8 * 16 + 8


def test_tables_of_two_spaces_do_not_mix() -> None:
    with pytest.raises(UsageError, match="one space"):
        Quantities({"a": macs_table(SPACE), "b": macs_table(proxyless_tiny(resolution=16))})
