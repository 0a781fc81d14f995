import itertools
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latkit.errors import BadFile, UsageError
from latkit.models import LookupModel
from latkit.ops import Op
from latkit.spaces import Space, proxyless_tiny
from latkit.tables import LatencyTable
from tests.builders import measurements_of

SPACE = proxyless_tiny(resolution=8)


def fitted(space: Space) -> LookupModel:
    """A look-up model whose every op takes a different, round time."""
    ops: list[Op] = list(space.ops())
    return LookupModel().fit(measurements_of({op: 2000 + 1000 * number for number, op in enumerate(ops)}))


@pytest.fixture(scope="module")
def model() -> LookupModel:
    return fitted(SPACE)


@pytest.fixture(scope="module")
def table(model: LookupModel) -> LatencyTable:
    return LatencyTable(SPACE, model)


@given(st.randoms(use_true_random=False))
def test_one_architecture_costs_what_the_model_says_of_its_network(rng) -> None:
    model = fitted(SPACE)
    table = LatencyTable(SPACE, model)
    architecture = SPACE.sample(rng)
    expected = model.predict(SPACE.decode(architecture)).seconds
    assert float(table(table.one_hot(architecture))) == pytest.approx(expected, rel=1e-12)
    assert float(table.lookup(torch.tensor(architecture))) == pytest.approx(expected, rel=1e-12)


def test_a_batch_of_distributions_gives_a_batch_of_seconds(table: LatencyTable) -> None:
    probabilities = torch.rand(3, 4, *table.seconds.shape, dtype=torch.float64)
    seconds = table(probabilities)
    assert seconds.shape == (3, 4)
    assert float(seconds[1, 2]) == pytest.approx(float(table(probabilities[1, 2])))


def test_the_gradient_is_that_of_finite_differences(table: LatencyTable) -> None:
    logits = torch.randn(2, *table.seconds.shape, dtype=torch.float64, requires_grad=True)
    # in microseconds: gradcheck's tolerances are absolute
    assert torch.autograd.gradcheck(lambda x: 1e6 * table(torch.softmax(x, -1)), logits)


def test_fastest_and_slowest_are_those_of_all_architectures() -> None:
    layers = SPACE.layers[:4]
    small = Space("small", layers)
    table = LatencyTable(small, fitted(small))
    every = itertools.product(*(range(len(layer.candidates)) for layer in small.choices))
    seconds = table.lookup(torch.tensor(list(every)))
    assert table.fastest() == pytest.approx(float(seconds.min()))
    assert table.slowest() == pytest.approx(float(seconds.max()))


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_a_saved_table_is_the_same(table: LatencyTable, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    table.save(path)
    again = LatencyTable.load(path)
    assert (again.space_name, again.space_key) == (table.space_name, table.space_key)
    for name in ("seconds", "mask", "base_s"):
        assert torch.equal(getattr(again, name), getattr(table, name))
    again.check_space(SPACE)
    with pytest.raises(UsageError, match="another space"):
        again.check_space(proxyless_tiny(resolution=16))


@pytest.mark.parametrize("ending", [".json", ".safetensors", ".yaml"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    with pytest.raises(BadFile):
        LatencyTable.load(path)
    path.write_text("nonsense")
    with pytest.raises(BadFile, match="latency table"):
        LatencyTable.load(path)


def test_a_table_with_a_hole_is_refused(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    table.save(path)
    document = json.loads(path.read_text())
    document["seconds"][0][0] = None
    path.write_text(json.dumps(document))
    with pytest.raises(BadFile):
        LatencyTable.load(path)
    document["seconds"][0][0] = float("nan")
    path.write_text(json.dumps(document))
    with pytest.raises(BadFile, match="finite"):
        LatencyTable.load(path)


def test_wrong_shapes_and_candidates_are_refused(table: LatencyTable) -> None:
    with pytest.raises(UsageError, match="shape"):
        table(torch.ones(2, 2))
    first_choice_has_no_skip = [6] + [0] * (len(table.seconds) - 1)
    with pytest.raises(UsageError, match="does not stand"):
        table.lookup(torch.tensor(first_choice_has_no_skip))
    with pytest.raises(UsageError, match="does not stand"):
        table.lookup(torch.tensor([-1] * len(table.seconds)))


def test_padding_has_no_effect(table: LatencyTable) -> None:
    probabilities = table.one_hot((0,) * len(table.seconds))
    padded = probabilities + (~table.mask).to(probabilities.dtype)
    assert float(table(padded)) == float(table(probabilities))
