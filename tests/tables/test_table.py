import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latkit.errors import BadFile, UsageError
from latkit.latency_models import LookupModel
from latkit.ops import Op
from latkit.spaces import ChainSpace, Space, proxyless_tiny
from latkit.tables import AdditiveTable, LatencyTable
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


@pytest.mark.slow
@given(st.randoms(use_true_random=False))
def test_one_architecture_costs_what_the_model_says_of_its_network(rng) -> None:
    model = fitted(SPACE)
    table = LatencyTable(SPACE, model)
    architecture = SPACE.sample(rng)
    expected = model.predict(SPACE.decode(architecture)).seconds
    assert float(table(table.one_hot(architecture))) == pytest.approx(expected, rel=1e-12)
    assert float(table.lookup(torch.tensor(architecture))) == pytest.approx(expected, rel=1e-12)


def test_a_batch_of_distributions_gives_a_batch_of_seconds(table: LatencyTable) -> None:
    probabilities = torch.rand(3, 4, *table.seconds.shape, dtype=torch.float64) * table.mask
    seconds = table(probabilities)
    assert seconds.shape == (3, 4)
    assert float(seconds[1, 2]) == pytest.approx(float(table(probabilities[1, 2])))


def test_the_gradient_is_that_of_finite_differences(table: LatencyTable) -> None:
    logits = torch.randn(2, *table.seconds.shape, dtype=torch.float64, requires_grad=True)
    # in microseconds: gradcheck's tolerances are absolute
    assert torch.autograd.gradcheck(lambda x: 1e6 * table(table.softmax(x)), logits)


def test_fastest_and_slowest_are_those_of_all_architectures() -> None:
    layers = SPACE.layers[:4]
    small = ChainSpace("small", layers)
    table = LatencyTable(small, fitted(small))
    every = itertools.product(*(range(len(layer.candidates)) for layer in small.choice_layers))
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
    with pytest.raises(BadFile, match="NaN is no JSON number"):
        LatencyTable.load(path)


def test_wrong_shapes_and_candidates_are_refused(table: LatencyTable) -> None:
    with pytest.raises(UsageError, match="shape"):
        table(torch.ones(2, 2))
    first_choice_has_no_skip = [6] + [0] * (len(table.seconds) - 1)
    with pytest.raises(UsageError, match="does not stand"):
        table.lookup(torch.tensor(first_choice_has_no_skip))
    with pytest.raises(UsageError, match="does not stand"):
        table.lookup(torch.tensor([-1] * len(table.seconds)))


def test_a_softmax_without_the_mask_is_an_error(table: LatencyTable) -> None:
    logits = torch.randn(2, *table.mask.shape, requires_grad=True)
    assert not table.mask.all()
    with pytest.raises(UsageError, match=r"expected probability 0 .* found up to .*table\.softmax"):
        table(logits.softmax(-1))
    probabilities = table.softmax(logits)
    assert float(probabilities.detach()[..., ~table.mask].abs().max()) == 0.0
    torch.testing.assert_close(probabilities.sum(-1), torch.ones_like(probabilities[..., 0]))
    table(probabilities).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_a_table_without_padding_takes_any_softmax() -> None:
    table = AdditiveTable("full", "0" * 8, [[1.0, 2.0], [3.0, 5.0]], 0.0)
    assert float(table(torch.zeros(2, 2).softmax(-1))) == pytest.approx(5.5)


def test_a_table_shows_its_range_and_its_candidates(table: LatencyTable) -> None:
    assert f"space {SPACE.name}, choices {len(table.mask)}" in repr(table)
    assert table.format_value(table.min()) in repr(table)
    shown = table._repr_html_()
    assert shown.count("<tr>") == 5 + 1 + len(table.mask)
    frame = table.to_polars()
    assert frame.columns == ["choice", "candidate", "cost"]
    assert frame["cost"].to_list() == [cost for row in table.rows() for cost in row]


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.sampled_from([0, 2**63, 10**30, 1e300, -1e300, 1e24, 1e25, "", "x\x1b", "\ud800", [], [[]], [[1.0], 1], {}]),
    st.lists(st.lists(st.floats(0, 1), max_size=3), max_size=3),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["format", "space_name", "space_key", "unit", "base_s", "seconds", "row", "value"]), VALUES)
def test_a_table_with_a_wrong_value_is_refused_in_a_line_or_can_be_used(
    table: LatencyTable, tmp_path: Path, where: str, value: Any
) -> None:
    path = tmp_path / "table.json"
    table.save(path)
    document = json.loads(path.read_text())
    if where in document:
        document[where] = value
    elif where == "row":
        document["seconds"][0] = value
    else:
        document["seconds"][0][0] = value
    path.write_text(json.dumps(document))
    try:
        again = LatencyTable.load(path)
    except BadFile as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        return
    first = torch.tensor([0] * len(again.rows()))
    assert float(again.lookup(first)) == pytest.approx(float(again(again.one_hot(tuple(first.tolist())))))
    assert again.fastest() <= again.slowest() < 1e28
    if [len(row) for row in again.rows()] != [len(row) for row in table.rows()]:
        with pytest.raises(UsageError, match="other choices or candidates"):
            again.check_space(SPACE)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, _: tensors.pop("mask"),
        lambda _, header: header.pop("format"),
        lambda _, header: header.update(space_name="x\n"),
        lambda tensors, _: tensors.update(mask=tensors["mask"][:1]),
        lambda tensors, _: tensors.update(mask=tensors["mask"].double()),
        lambda tensors, _: tensors.update(mask=~tensors["mask"]),
        lambda tensors, _: tensors.update(seconds=tensors["seconds"][0], mask=tensors["mask"][0]),
        lambda tensors, _: tensors.update(seconds=tensors["seconds"] + torch.inf),
        lambda tensors, _: tensors.update(base_s=torch.zeros(2)),
        lambda tensors, _: tensors.update(seconds=torch.zeros(0, 3), mask=torch.ones(0, 3) > 0),
    ],
)
def test_tensors_that_are_no_table_are_refused(table: LatencyTable, tmp_path: Path, change: Any) -> None:
    path = tmp_path / "table.safetensors"
    table.save(path)
    with safetensors.safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors, header)
    safetensors.torch.save_file(tensors, path, header)
    with pytest.raises(BadFile, match="latency table of format") as caught:
        LatencyTable.load(path)
    assert len(str(caught.value).splitlines()) == 1
