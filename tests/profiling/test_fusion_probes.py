"""Probing a machine whose latencies follow a law: what is measured, what is learned, and that it can be resumed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.graphs import Graph, GraphBuilder
from latkit.latency_models.kernels import KernelModel
from latkit.latency_models.kernels.fusion_file import FusionFile
from latkit.measurements import Store, select
from latkit.profiling import Collection
from latkit.profiling.fusion_probes import collect_kernels, collect_models
from latkit.runtimes import Artifact
from latkit.timing import REFERENCE, Environment, Round, TimingPlan, Workload
from tests.builders import ENVIRONMENT, TARGET, make_round
from tests.latency_models.kernels.laws import FIXED_NS, OVERHEAD_PROBE, chain, nanoseconds


class LawfulSession:
    """Answers every round with the latency of the law."""

    def __init__(self) -> None:
        self.times = {REFERENCE.key: 1000}
        self.visited: list[str] = []

    def export(self, workload: Workload) -> Artifact:
        self.times[workload.key] = nanoseconds(workload) if isinstance(workload, Graph) else FIXED_NS
        return Artifact(Path(workload.key), "0" * 64, "onnxruntime", "exporter 1", 17)

    def environment(self, artifact: Artifact, reference: Artifact) -> Environment:
        return ENVIRONMENT

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        self.visited.append(str(artifact.path))
        return make_round([self.times[str(artifact.path)]], 1000, started_at=float(len(self.visited)))


def residual(channels: int, size: int) -> Graph:
    b = GraphBuilder()
    x = b.conv(b.input(1, 3, size, size), channels, 3)
    for _ in range(3):
        y = b.activation("relu", b.binary("Add", b.conv(b.activation("relu", b.conv(x, channels)), channels, 3), x))
        x = b.activation("sigmoid", b.conv(y, channels))
    return b.graph([x], "residual")


NETWORKS = [residual(channels, 8) for channels in (8, 16, 32)]


@pytest.fixture
def session() -> LawfulSession:
    return LawfulSession()


@pytest.fixture
def collection(tmp_path: Path, session: LawfulSession) -> Iterator[Collection]:
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        yield Collection(session, store, session.export, TimingPlan(rounds=1, extra_rounds=0))


@pytest.mark.slow
def test_rules_are_learned_and_a_model_predicts(collection: Collection, tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    summary = collect_kernels(collection, path, 20, networks=NETWORKS)
    assert summary.finished
    assert not summary.failed
    fusion = FusionFile.load(path)
    assert fusion.target == str(TARGET)
    assert fusion.holding == {("conv", "relu"), ("conv", "add"), ("conv+add", "relu")}
    model = KernelModel(fusion.holding).fit(select(collection.store.measurements("fit")).used)
    assert set(model.anchors_) >= {"conv", "sigmoid"}
    assert model.savings_
    unseen = residual(24, 12)
    assert model.predict(unseen).seconds == pytest.approx(nanoseconds(unseen) / 1e9, rel=0.2)


def test_what_is_there_is_not_measured_again(collection: Collection, session: LawfulSession, tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    first = collect_kernels(collection, path, 1, networks=NETWORKS)
    visited = len(session.visited)
    again = collect_kernels(collection, path, 1, networks=NETWORKS)
    assert (first.rounds, again.rounds, len(session.visited)) == (visited, 0, visited)


def test_out_of_time_it_ends_and_can_go_on(collection: Collection, session: LawfulSession, tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    summary = collect_kernels(collection, path, 1, max_seconds=1e-9, networks=NETWORKS)
    assert not summary.finished
    assert not path.exists()
    assert collect_kernels(collection, path, 1, networks=NETWORKS).finished


def test_a_networks_own_kernels_are_measured_with_their_shapes(collection: Collection, tmp_path: Path) -> None:
    path, graph = tmp_path / "fusion.json", residual(12, 10)
    assert collect_models(collection, path, [graph]).finished
    measured = {m.workload for m in collection.store.measurements("fit")}
    assert {graph, OVERHEAD_PROBE} <= measured
    model = KernelModel(FusionFile.load(path).holding).fit(select(collection.store.measurements("fit")).used)
    predicted = model.predict(graph)
    assert {row.known for row in predicted.kernels} == {"measured"}
    assert predicted.seconds == pytest.approx(nanoseconds(graph) / 1e9, rel=0.1)


def test_rules_of_another_release_are_learned_anew(collection: Collection, tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    old = FusionFile(target=str(TARGET), runtime="runtime 0", rules=())
    old.save(path)
    collect_models(collection, path, [chain(8, 8, "relu")])
    assert FusionFile.load(path).runtime == ENVIRONMENT.runtime_version
    assert ("conv", "relu") in FusionFile.load(path).decided
