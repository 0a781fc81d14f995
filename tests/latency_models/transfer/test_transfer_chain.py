from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from latkit.errors import BadFile, NotMeasured, UsageError
from latkit.latency_models import LatencyModel, LookupModel, TransferModel, choose_networks, load_model
from latkit.ops import Network, Op
from latkit.spaces import Space, proxyless_tiny
from latkit.tables import LatencyTable
from latkit.timing import Measurement, Workload
from tests.builders import TARGET, measurements_of, network_of

KNOWN = replace(TARGET, device="known")
FIXED_NS = 5000


def known_ns(op: Op) -> int:
    return 3000 + op.macs // 10


def new_ns(op: Op) -> int:
    """The new target: twice as fast, but slow at kernels of seven."""
    slow = op.kind == "mbconv" and op.integer("kernel") == 7
    return known_ns(op) * (2 if slow else 1) // 2


def source(space: Space) -> LookupModel:
    return LookupModel().fit(measurements_of({op: FIXED_NS + known_ns(op) for op in space.ops()}, FIXED_NS))


def network_ns(network: Network) -> int:
    return FIXED_NS + sum(new_ns(op) for op in network.ops)


def measured(networks: list[Network]) -> list[Measurement]:
    nanoseconds: Mapping[Workload, int] = {network: network_ns(network) for network in networks}
    return measurements_of(nanoseconds, FIXED_NS)


@pytest.fixture(scope="module")
def space() -> Space:
    return proxyless_tiny()


@pytest.fixture(scope="module")
def model(space: Space) -> TransferModel:
    sources = {KNOWN: source(space)}
    networks = choose_networks(space, list(sources.values()), 12)
    return TransferModel(sources, space.ops()).fit(measured(networks))


def test_unseen_networks_of_a_new_target(space: Space, model: TransferModel) -> None:
    unseen = choose_networks(space, [source(space)], 40)[12:]
    errors = [abs(model.predict(network).seconds * 1e9 / network_ns(network) - 1) for network in unseen]
    assert sum(errors) / len(errors) < 0.05
    inside = [(p := model.predict(n)).low_s <= network_ns(n) / 1e9 <= p.high_s for n in unseen]
    assert sum(inside) >= 0.8 * len(inside)


def test_ops_never_measured_stand_in_a_table(space: Space, model: TransferModel) -> None:
    table = LatencyTable(space, model)
    slow, quick = (
        sum(model.layer_seconds([op for op in space.ops() if op.kind == "mbconv" and op.integer("kernel") == kernel]))
        for kernel in (7, 3)
    )
    assert slow > 1.5 * quick
    assert float(table.seconds[table.mask].min()) >= 0
    assert model.base_seconds() == pytest.approx(FIXED_NS / 1e9)
    assert all(one.low_s <= one.seconds <= one.high_s for one in model.ops_.values())


def test_a_saved_model_predicts_the_same(space: Space, model: TransferModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.json")
    again = load_model(tmp_path / "model.json", LatencyModel)
    assert isinstance(again, TransferModel)
    assert again.sources_ == (str(KNOWN),)
    assert again.origin_ == model.origin_
    assert again.layer_seconds(space.ops()) == model.layer_seconds(space.ops())
    (tmp_path / "model.json").write_text((tmp_path / "model.json").read_text().replace('"transfer"', '"wish"'))
    with pytest.raises(BadFile, match="kind"):
        load_model(tmp_path / "model.json", LatencyModel)


def test_chosen_networks_go_on_from_those_measured(space: Space) -> None:
    models = [source(space)]
    first = choose_networks(space, models, 4)
    assert choose_networks(space, models, 4) == first
    more = choose_networks(space, models, 3, first)
    assert {network.key for network in more}.isdisjoint(network.key for network in first)
    assert all(space.holds(network) for network in [*first, *more])


def test_missing_measurements_are_reported(space: Space) -> None:
    sources = {KNOWN: source(space)}
    with pytest.raises(UsageError, match="--from"):
        choose_networks(space, [], 3)
    with pytest.raises(NotMeasured, match=r"3 networks or more measured on board/.*--from OTHER_TARGET"):
        TransferModel(sources, space.ops()).fit(measured(choose_networks(space, list(sources.values()), 2)))
    few = LookupModel().fit(measurements_of({space.ops()[0]: 9000}, FIXED_NS))
    with pytest.raises(NotMeasured, match="was not measured"):
        choose_networks(space, [few], 3)


def test_an_op_outside_what_was_inferred_is_refused(space: Space, model: TransferModel) -> None:
    with pytest.raises(NotMeasured, match="was not measured"):
        model.predict(network_of(proxyless_tiny(resolution=28).ops()[0]))
