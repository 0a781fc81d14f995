import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from latkit.errors import BadFile, MeasurementConflict, NotMeasured
from latkit.graphs import Constant, Graph, GraphBuilder, Node, Tensor, partition_graph
from latkit.latency_models.kernels import KernelModel
from latkit.latency_models.kernels.adjacency import Neighbors, PairTiming, saved_by_edge, saved_per_number
from tests.builders import ENVIRONMENT, make_measurement
from tests.latency_models.kernels.laws import FIXED_NS, OVERHEAD_PROBE, TRUTH, chain, measured, nanoseconds


def network(channels: int, size: int, depth: int) -> Graph:
    return chain(channels, size, *["relu", "conv"] * depth)


def kernels(*networks: Graph) -> list[Graph]:
    parts = [partition_graph(graph, TRUTH) for graph in networks]
    return list(dict.fromkeys(c.kernel_graph(place) for c in parts for place in range(len(c.kernels))))


def pairs(*networks: Graph) -> list[Graph]:
    parts = [partition_graph(graph, TRUTH) for graph in networks]
    return list(dict.fromkeys(c.pair_graph(edge) for c in parts for edge in c.edges))


TRAINING = [network(channels, size, 8) for channels, size in itertools.product((4, 8, 16, 32, 64), (4, 8, 16, 32))]
UNSEEN = network(24, 12, 8)


def fitted(*more: Graph, workloads: Sequence[Graph] = ()) -> KernelModel:
    chosen = workloads or [*kernels(*TRAINING), *pairs(*TRAINING), *TRAINING]
    return KernelModel(TRUTH).fit([measured(workload) for workload in (OVERHEAD_PROBE, *chosen, *more)])


@pytest.fixture(scope="module")
def model() -> KernelModel:
    return fitted()


def test_a_network_of_kernels_never_measured(model: KernelModel) -> None:
    predicted = model.predict(UNSEEN)
    truth = nanoseconds(UNSEEN) / 1e9
    assert predicted.seconds == pytest.approx(truth, rel=0.15)
    assert predicted.low_s <= predicted.seconds <= predicted.high_s
    assert {row.known for row in predicted.kernels} == {"predicted"}
    total = predicted.fixed_s + sum(row.seconds for row in predicted.kernels)
    assert total == pytest.approx(predicted.seconds)
    assert sum(row.macs for row in predicted.kernels) == UNSEEN.macs


def test_a_kind_known_from_a_few_kernels_has_a_wide_interval(model: KernelModel) -> None:
    """Its interval covers a factor of two, and far beyond the measured kernels, the growth itself."""
    b = GraphBuilder()
    x = b.input(1, 8, 16)
    few = [b.graph([b.softmax(x)])]
    large = GraphBuilder()
    beyond = large.graph([large.softmax(large.input(64, 80, 160))])
    hardly = fitted(*few)
    predicted = hardly.predict(beyond)
    assert predicted.few_measured == ("softmax",)
    assert predicted.kernels[0].known == "extrapolated"
    growth = 64 * 80 * 160 / (8 * 16)
    measured_small_s = hardly.predict(few[0]).seconds - hardly.fixed_s_
    assert predicted.high_s >= growth * measured_small_s
    assert model.predict(UNSEEN).few_measured == ()
    assert hardly.predict(few[0]).few_measured == (), "it was measured itself"


@pytest.mark.slow
def test_what_was_timed_at_sizes_made_up_is_ignored() -> None:
    """Earlier versions lost the scales of Resize, and timed it all the same."""
    x, made = Tensor((1, 4, 8, 8)), Tensor((1, 4, 16, 16))
    node = Node("Resize", (0, -1, 1), (made,))
    lost = Graph((x,), (Constant(Tensor((4,))),), (node,), (2,), name="resize")
    resize = Graph((x,), (Constant(Tensor((4,)), (1.0, 1.0, 2.0, 2.0)),), (node,), (2,), name="resize")
    assert "resize" not in fitted(lost).anchors_
    assert "resize" in fitted(resize).anchors_


def test_measured_kernels_are_read_from_the_table() -> None:
    model = fitted(*kernels(UNSEEN))
    predicted = model.predict(UNSEEN)
    assert predicted.seconds == pytest.approx(nanoseconds(UNSEEN) / 1e9, rel=0.02)
    assert {row.known for row in predicted.kernels} == {"measured"}
    assert {row.known for row in model.predict(UNSEEN, measured=False).kernels} == {"predicted"}


def test_what_is_larger_than_all_that_was_measured_is_marked(model: KernelModel) -> None:
    assert {row.known for row in model.predict(network(128, 48, 3)).kernels} == {"extrapolated"}


def test_what_neighbors_save_is_learned_from_pairs(model: KernelModel) -> None:
    assert saved_per_number(model.savings_, ("conv", "conv", False), 1000) == pytest.approx(2e-9, rel=0.01)
    assert model.calibration_.networks == len(TRAINING)
    assert model.calibration_.scale == pytest.approx(1, abs=0.05)
    assert model.calibration_.measured_error < 0.05


def test_an_unknown_kind_of_kernel_is_named_with_the_command_that_measures_it(model: KernelModel) -> None:
    b = GraphBuilder()
    graph = b.graph([b.softmax(b.activation("relu", b.conv(b.input(1, 8, 8, 8), 8)))])
    with pytest.raises(NotMeasured, match=r"'softmax'.* latkit collect model board/onnxruntime\S* MODEL.onnx"):
        model.predict(graph)


def test_an_unmeasured_fusion_of_light_ops_is_an_error_too() -> None:
    model = KernelModel({*TRUTH, ("conv", "sigmoid")}).fit([measured(s) for s in (OVERHEAD_PROBE, *kernels(*TRAINING))])
    with pytest.raises(NotMeasured, match="nor any conv with sigmoid"):
        model.predict(chain(8, 8, "sigmoid"))


def test_a_model_is_the_same_after_it_was_saved(model: KernelModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.json")
    loaded = KernelModel.load(tmp_path / "model.json")
    assert loaded.predict(UNSEEN) == model.predict(UNSEEN)
    assert loaded.origin_ == model.origin_


@pytest.mark.parametrize("change", [{"format": "latkit-kernels-0"}, {"fixed_s": "much"}, {"anchors": {"conv": {}}}])
def test_what_is_no_kernel_model_is_refused(model: KernelModel, change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadFile, match=r"model\.json"):
        KernelModel.load(path)


def test_nothing_is_fitted_without_the_fixed_cost_or_kernels() -> None:
    with pytest.raises(NotMeasured, match="fixed cost"):
        KernelModel(TRUTH).fit([measured(chain(4, 4))])
    with pytest.raises(NotMeasured, match="no kernel"):
        KernelModel(TRUTH).fit([measured(OVERHEAD_PROBE)])


def test_measurements_of_two_environments_do_not_mix() -> None:
    from dataclasses import replace

    other = make_measurement(OVERHEAD_PROBE, FIXED_NS, environment=replace(ENVIRONMENT, runtime_version="runtime 2"))
    with pytest.raises(MeasurementConflict, match="runtime_version"):
        KernelModel(TRUTH).fit([other, measured(chain(4, 4))])


def test_long_kernels_and_other_sizes_weigh_less_in_a_saving() -> None:
    pairs = {
        ("conv", "conv", False): (
            PairTiming(1000, 2e-6, 1e-5),
            PairTiming(1000, 9e-6, 1e-3),
            PairTiming(1 << 20, 5e-3, 1e-2),
        )
    }
    assert saved_per_number(pairs, ("conv", "conv", False), 1000) == pytest.approx(2e-9)
    assert saved_per_number(pairs, ("conv", "conv", False), 1 << 20) == pytest.approx(5e-3 / (1 << 20))
    assert saved_per_number(pairs, ("conv", "add", False), 1000) is None


def known(sole: float, shared: float | None = None) -> dict[Neighbors, tuple[PairTiming, ...]]:
    rates = {("conv", "conv", False): sole, ("conv", "conv", True): shared}
    return {key: (PairTiming(512, 512 * rate, 1e-4),) for key, rate in rates.items() if rate is not None}


def test_a_tensor_that_two_take_is_written_once() -> None:
    b = GraphBuilder()
    x = b.conv(b.input(1, 8, 8, 8), 8)
    parts = partition_graph(b.graph([b.conv(x, 4), b.conv(x, 16)]), ())
    assert saved_by_edge(parts, known(4e-9, 1e-9)) == pytest.approx([512 * (1e-9 + 1.5e-9)] * 2)
    assert saved_by_edge(parts, known(4e-9)) == pytest.approx([512 * (2e-9 + 1e-9)] * 2)


@pytest.mark.parametrize("other", ["pool", "output"])
def test_a_producer_saves_nothing_if_one_consumer_cannot_fuse_it(other: str) -> None:
    b = GraphBuilder()
    x = b.conv(b.input(1, 8, 8, 8), 8)
    parts = partition_graph(b.graph([b.conv(x, 4), b.global_pool(x) if other == "pool" else x]), ())
    saved = saved_by_edge(parts, known(4e-9, 1e-9))
    assert saved == pytest.approx([512 * 1e-9, 0][: len(parts.edges)])


@pytest.mark.slow
def test_a_kernel_that_cannot_be_measured_is_estimated_with_a_wide_interval(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.activation("relu", b.conv(b.input(1, 16, 16, 16), 16, 3))
    graph = b.graph([b.conv(b.resize(x, 2), 16, 3)])
    (rejected,) = [graph for graph in kernels(graph) if graph.name == "resize"]
    with pytest.raises(NotMeasured, match="no kernel 'resize' was measured yet"):
        fitted().predict(graph)
    workloads = [*kernels(*TRAINING), *pairs(*TRAINING), *TRAINING]
    model = KernelModel(TRUTH, {rejected.key}).fit([measured(one) for one in (OVERHEAD_PROBE, *workloads)])
    model.save(tmp_path / "model.json")
    found = KernelModel.load(tmp_path / "model.json").predict(graph)
    assert [row.known for row in found.kernels if row.kind == "resize"] == ["estimated"]
    assert found.few_measured == ("resize",)
    known = KernelModel(TRUTH).fit([measured(one) for one in (OVERHEAD_PROBE, *workloads, rejected)]).predict(graph)
    widths = [(one.high_s - one.low_s) / one.seconds for one in (found, known)]
    assert widths[0] > widths[1]
