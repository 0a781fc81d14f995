from pathlib import Path

import pytest

from latkit.errors import BadFile
from latkit.graphs import Graph, GraphBuilder
from latkit.latency_models.kernels.fusion import decide, probes
from latkit.latency_models.kernels.fusion_file import FusionFile, fusion_file
from tests.latency_models.kernels.laws import FIXED_NS, TRUTH, chain, nanoseconds


def seconds(graph: Graph) -> float:
    return (nanoseconds(graph) - FIXED_NS) / 1e9


def residual() -> Graph:
    b = GraphBuilder()
    x = b.conv(b.input(1, 8, 16, 16), 8)
    y = b.activation("relu", b.binary("Add", b.conv(x, 8, 3), x))
    return b.graph([b.conv(y, 16)], "residual")


def learned(*networks: Graph) -> dict[tuple[str, str], bool]:
    decided: dict[tuple[str, str], bool] = {}
    for _ in range(4):
        made = probes(networks, [rule for rule, fused in decided.items() if fused], decided)
        decided |= decide(made, seconds)
    return decided


def test_what_a_machine_fuses_is_learned_unit_by_unit() -> None:
    decided = learned(residual(), chain(8, 16, "relu", "conv"), chain(8, 16, "sigmoid"))
    assert {rule for rule, fused in decided.items() if fused} == TRUTH
    assert decided["conv", "sigmoid"] is False


def test_a_unit_that_leaves_a_layout_intact_is_fused_though_it_costs_its_time() -> None:
    times = {"A": 10.0, "B": 6.0, "AB": 16.0, "C": 10.0, "AC": 14.0, "ABC": 20.0}
    (probe,) = (p for p in probes([chain(8, 16, "gelu", "conv")], (), ()) if p.rule == ("conv", "gelu"))
    assert probe.chain is not None
    names = {
        probe.before.key: "A",
        probe.after.key: "B",
        probe.both.key: "AB",
        probe.chain.third.key: "C",
        probe.chain.without.key: "AC",
        probe.chain.all_three.key: "ABC",
    }
    assert decide([probe], lambda graph: times[names[graph.key]]) == {("conv", "gelu"): True}
    times["ABC"] = 25.0
    assert decide([probe], lambda graph: times[names[graph.key]]) == {("conv", "gelu"): False}


def test_a_saving_beyond_what_can_be_saved_is_no_evidence() -> None:
    (probe, *_) = probes([chain(8, 16, "relu")], (), ())
    times = {probe.before.key: 100.0, probe.after.key: 10.0, probe.both.key: 60.0}
    assert decide([probe], lambda graph: times[graph.key]) == {("conv", "relu"): False}


def test_rules_are_saved_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    fusion_file("board/onnxruntime", "runtime 1", {("conv", "relu"): True, ("conv", "gelu"): False}).save(path)
    loaded = FusionFile.load(path)
    assert loaded.holding == {("conv", "relu")}
    assert loaded.decided == {("conv", "relu"): True, ("conv", "gelu"): False}
    path.write_text('{"format": "latkit-fusion-0"}')
    with pytest.raises(BadFile, match=r"fusion\.json"):
        FusionFile.load(path)
