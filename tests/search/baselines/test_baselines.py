"""Baselines: drawn uniformly, evolved within bounds, scaled to a target; trained as the derived network is."""

from __future__ import annotations

import errno
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from scipy import stats

from latkit.errors import DiskFull, LatkitError, OutOfMemory, TargetOutOfReach, UsageError
from latkit.ops import Network
from latkit.search import DataSplit, Problem, SearchResult, SearchSettings, run_search
from latkit.search.baselines import (
    AtLatency,
    BaselineRecord,
    BaselineRequest,
    Baselines,
    EvolutionPlan,
    LatencySampler,
    ladder,
    random_architectures,
    scaled_mobilenet,
)
from latkit.search.baselines.run import check_drawn, run_baselines
from latkit.search.baselines.sampling import at_target
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.goals import Goals
from latkit.search.loop import Budget, search
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.search.strategies import make_strategy
from latkit.spaces import Architecture, Space, load
from latkit.tables import LatencyTable
from tests.tables.brute_force import random_table

TableOf = Callable[[Space], LatencyTable]


def every(space: Space) -> list[Architecture]:
    return list(itertools.product(*(range(len(layer.candidates)) for layer in space.choice_layers)))


def test_every_architecture_within_the_bounds_is_drawn_equally_often(mini_space: Space, table_of: TableOf) -> None:
    table = table_of(mini_space)
    latencies = {architecture: table.total(architecture) for architecture in every(mini_space)}
    min_s, max_s = sorted(latencies.values())[6], sorted(latencies.values())[17]
    within = {one for one, seconds in latencies.items() if min_s <= seconds <= max_s}
    sampler, rng = LatencySampler(table, min_s, max_s), random.Random(0)
    drawn = Counter(sampler.draw(rng) for _ in range(4000))
    assert drawn.keys() == within
    assert stats.chisquare([drawn[one] for one in within]).pvalue > 1e-3


def test_the_rarest_architecture_is_found(table_of: TableOf) -> None:
    space = load("proxyless-mobile")  # 21 choices: trying at random would never end
    table = table_of(space)
    sampler = LatencySampler(table, 0.0, table.fastest() * (1 + 1e-9))
    assert table.total(sampler.draw(random.Random(0))) == pytest.approx(table.fastest())


def test_bounds_that_hold_nothing_are_refused_with_the_range(mini_space: Space, table_of: TableOf) -> None:
    table = table_of(mini_space)
    with pytest.raises(TargetOutOfReach, match=r"but found none; its networks take from [\d.e-]+ to [\d.e-]+ ms"):
        LatencySampler(table, 2 * table.slowest(), 3 * table.slowest())
    between = [table.total(one) for one in every(mini_space)]
    first_s, second_s, *_ = sorted(set(between))
    gap_s = (first_s + second_s) / 2
    with pytest.raises(TargetOutOfReach):
        LatencySampler(table, gap_s, gap_s * (1 + 1e-6))


def test_what_lies_outside_the_bounds_by_less_than_is_counted_in_is_not_there() -> None:
    table = LatencyTable.from_seconds("s", "k", [[0.0, 1.0]], 1.0)
    assert LatencySampler(table, 1.5, 2.0).draw(random.Random(0)) == (1,)
    with pytest.raises(TargetOutOfReach, match="but found none"):
        LatencySampler(table, 1.5, 1.9999)


def test_random_networks_differ_and_do_not_depend_on_their_number(mini_space: Space, table_of: TableOf) -> None:
    table = table_of(mini_space)
    sampler = LatencySampler(table, 0.0, table.slowest())
    five = random_architectures(mini_space, sampler, 5, seed=0)
    assert len({mini_space.decode(one) for one in five}) == 5
    assert random_architectures(mini_space, sampler, 3, seed=0) == five[:3]
    assert random_architectures(mini_space, sampler, 5, seed=1) != five


def test_more_random_networks_than_there_are_is_an_error(mini_space: Space, table_of: TableOf) -> None:
    table = table_of(mini_space)
    sampler = LatencySampler(table, 0.0, table.slowest())
    with pytest.raises(UsageError, match="has about 21; ask for fewer"):  # 25 architectures, 21 without their skips
        random_architectures(mini_space, sampler, 30, seed=0)


@pytest.fixture
def middling(table_of: TableOf) -> AtLatency:
    """Architectures of one latency, halfway between the fastest and the slowest."""
    space = load("proxyless-tiny", resolution=8)
    table = table_of(space)
    return AtLatency(space, at_target(table, (table.fastest() + table.slowest()) / 2))


class Odd(Evaluator):
    """Counts the odd options of an architecture."""

    name = "odd"
    quantities = ("odd",)

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        return [Verdict({"odd": float(odd(one))}, {"evaluations": 1.0}) for one in architectures]


@pytest.mark.slow
def test_strategies_stay_within_the_bounds_and_find_the_best(middling: AtLatency) -> None:
    for name, settings in (("evolution", {"population": 16, "tournament": 6}), ("local-search", {})):
        strategy = make_strategy(name, middling, Goals.parse("odd:max"), 0, **settings)
        entries = search(strategy, Odd(), Budget(300)).entries
        assert all(middling.sampler.holds(entry.architecture) for entry in entries)
        found = [odd(entry.architecture) for entry in entries]
        assert max(found) > max(found[:50])


def test_neighbors_are_all_that_differ_in_one_or_two_choices(mini_space: Space, table_of: TableOf) -> None:
    table = table_of(mini_space)
    space = AtLatency(mini_space, LatencySampler(table, 0.0, table.slowest()))
    own = every(mini_space)[7]
    others = [one for one in every(mini_space) if one != own]
    assert sorted(space.neighbors(own)) == others
    bound_s = table.total(own)
    space = AtLatency(mini_space, LatencySampler(table, 0.0, bound_s))
    assert sorted(space.neighbors(own)) == [one for one in others if table.total(one) <= bound_s]


def odd(architecture: Architecture) -> int:
    return sum(index % 2 for index in architecture)


@pytest.mark.parametrize("text", ["random:0", "random:", "random:x", "evolution:2", "resnet", ""])
def test_a_baseline_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a baseline such as random:5, evolution or mobilenetv2"):
        BaselineRequest.parse(text)


def test_baselines_are_parsed_from_their_options() -> None:
    assert BaselineRequest.parse("random:5") == BaselineRequest(kind="random", count=5)
    assert BaselineRequest.parse("evolution") == BaselineRequest(kind="evolution", count=1)


def by_macs(network: Network) -> float:
    return network.macs * 1e-9


def test_mobilenet_takes_the_width_nearest_to_the_target() -> None:
    space = load("proxyless-tiny", resolution=28, channels=1)
    networks = list(ladder(space))
    assert len(set(networks)) == len(networks)
    assert [network.macs for network in networks] == sorted(network.macs for network in networks)
    third = networks[3]
    assert scaled_mobilenet(space, by_macs(third) * 0.985, by_macs) == (third, by_macs(third))
    assert scaled_mobilenet(space, by_macs(third) * 0.97, by_macs)[0] == networks[2]  # the third is too slow


def test_a_target_below_every_mobilenet_is_refused() -> None:
    space = load("proxyless-tiny", resolution=28)
    with pytest.raises(TargetOutOfReach, match="its narrowest takes"):
        scaled_mobilenet(space, 1e-6, by_macs)


class Killed(BaseException):
    """As if the process had been ended."""


class Killer:
    """Ends a run after a number of steps of one phase."""

    def __init__(self, phase: str, steps: int) -> None:
        self.phase, self.steps = phase, steps

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        if (phase, done) == (self.phase, self.steps):
            raise Killed


@pytest.fixture(scope="module")
def settings() -> SearchSettings:
    return SearchSettings.quick(
        warmup_epochs=1, epochs=1, training_epochs=2, batch_size=16, checkpoint_seconds=1e-9, export_tflite=False
    )


@pytest.fixture(scope="module")
def finished(
    mini_space: Space,
    table_of: TableOf,
    stripes_data: DataSplit,
    settings: SearchSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, float]:
    """The folder of a search, to be copied, and its target in seconds."""
    table, folder = table_of(mini_space), tmp_path_factory.mktemp("searched") / "found"
    target_s = (table.fastest() + table.slowest()) / 2
    run_search(Problem(mini_space, table, stripes_data, target_s, settings), folder)
    return folder, target_s


@pytest.fixture
def finished_search(finished: tuple[Path, float], tmp_path: Path) -> tuple[Path, float]:
    """The folder of a search, and its target in seconds."""
    folder, target_s = finished
    return Path(shutil.copytree(folder, tmp_path / "found")), target_s


def test_the_derived_network_as_a_baseline_has_the_derived_networks_accuracy(
    mini_space: Space,
    table_of: TableOf,
    stripes_data: DataSplit,
    settings: SearchSettings,
    finished_search: tuple[Path, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, target_s = finished_search
    result = load_record(SearchResult, folder / FILES["result"])
    monkeypatch.setattr("latkit.search.baselines.run.random_architectures", lambda *_: [result.architecture])
    given = (Problem(mini_space, table_of(mini_space), stripes_data, target_s, settings), folder)
    (record,) = run_baselines(*given, [BaselineRequest(kind="random")]).records
    assert record.score == result.score
    assert record.predicted_latency_s == pytest.approx(result.predicted_latency_s)
    assert (record.macs, record.parameters) == (result.macs, result.parameters)


@pytest.mark.slow
def test_interrupted_baselines_go_on_and_end_as_if_they_had_not_been(
    mini_space: Space,
    table_of: TableOf,
    stripes_data: DataSplit,
    settings: SearchSettings,
    finished_search: tuple[Path, float],
    tmp_path: Path,
) -> None:
    folder, target_s = finished_search
    problem = Problem(mini_space, table_of(mini_space), stripes_data, target_s, settings)
    plan = EvolutionPlan(evaluations=4, images=16, population=2, tournament=1)
    requested = [BaselineRequest(kind="random", count=2), BaselineRequest(kind="evolution", evolution=plan)]
    for phase, steps in (("random-2: training", 1), ("evolution-supernet: search", 2), ("evolution", 2)):
        with pytest.raises(Killed):
            run_baselines(problem, folder, requested, progress=Killer(phase, steps))
    assert [record.name for record in Baselines.load(folder).records] == ["random-1", "random-2"]
    went_on = run_baselines(problem, folder, requested)
    other = tmp_path / "other"
    run_search(problem, other)
    at_once = run_baselines(problem, other, requested)
    assert [alike(record) for record in went_on.records] == [alike(record) for record in at_once.records]
    assert list((folder / "baselines").iterdir()) == []
    assert went_on.records[-1].seconds.keys() == {"search", "training"}


def alike(record: BaselineRecord) -> BaselineRecord:
    """Without its time."""
    return record.model_copy(update={"seconds": {}})


def test_what_does_not_fit_the_search_is_refused(
    mini_space: Space,
    table_of: TableOf,
    stripes_data: DataSplit,
    settings: SearchSettings,
    finished_search: tuple[Path, float],
) -> None:
    folder, target_s = finished_search
    given = (mini_space, table_of(mini_space), stripes_data)
    with pytest.raises(UsageError, match="expected target_latency_s to be"):
        run_baselines(Problem(*given, 1.1 * target_s, settings), folder, [BaselineRequest(kind="random")])
    with pytest.raises(UsageError, match="MobileNetV2's latency"):
        run_baselines(Problem(*given, target_s, settings), folder, [BaselineRequest(kind="mobilenetv2")])
    inheriting = settings.model_copy(update={"inherit_weights": True})
    with pytest.raises(UsageError, match="trained from scratch"):
        run_baselines(Problem(*given, target_s, inheriting), folder, [BaselineRequest(kind="random")])
    with pytest.raises(UsageError, match="expected 500 random networks"):
        check_drawn(
            mini_space,
            given[1],
            target_s,
            settings,
            [BaselineRequest(kind="mobilenetv2"), BaselineRequest.parse("random:500")],
        )
    assert Baselines.load(folder).records == ()


@pytest.mark.parametrize(
    ("raised", "error_type", "message"),
    [
        (RuntimeError("DefaultCPUAllocator: not enough memory"), OutOfMemory, "a batch_size below 16"),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull, "make room and continue with --resume"),
    ],
)
def test_exhausted_resources_are_reported_as_in_the_search(
    mini_space: Space,
    table_of: TableOf,
    stripes_data: DataSplit,
    settings: SearchSettings,
    finished_search: tuple[Path, float],
    raised: Exception,
    error_type: type[LatkitError],
    message: str,
) -> None:
    class Short:
        def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
            raise raised

    folder, target_s = finished_search
    given = (Problem(mini_space, table_of(mini_space), stripes_data, target_s, settings), folder)
    with pytest.raises(error_type, match=message):
        run_baselines(*given, [BaselineRequest(kind="random")], progress=Short())


def test_a_mobilenet_is_trained_along_with_the_search(
    table_of: TableOf,
    stripes_data: DataSplit,
    settings: SearchSettings,
    finished_search: tuple[Path, float],
    mini_space: Space,
) -> None:
    folder, target_s = finished_search
    given = (Problem(mini_space, table_of(mini_space), stripes_data, target_s, settings), folder)
    narrowest = next(ladder(mini_space))
    (record,) = run_baselines(
        *given,
        [BaselineRequest(kind="mobilenetv2")],
        latency_of=lambda network: target_s * (1 if network == narrowest else 2),
    ).records
    assert (record.kind, record.name) == ("mobilenetv2", "mobilenetv2-0.05")
    assert record.architecture is None
    assert record.predicted_latency_s == target_s
    assert record.macs == narrowest.macs


def test_random_architectures_with_pair_terms_are_drawn_uniformly() -> None:
    table = random_table([3, 4, 2], 5, share=1.0)
    min_s, max_s = table.min(), table.min() + 0.6 * (table.max() - table.min())
    sampler, rng = LatencySampler(table, min_s, max_s), random.Random(0)
    drawn = Counter(sampler.draw(rng) for _ in range(4000))
    within = [path for path in itertools.product(range(3), range(4), range(2)) if min_s <= table.total(path) <= max_s]
    assert sorted(drawn) == sorted(within)
    expected = 4000 / len(within)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in drawn.values())
