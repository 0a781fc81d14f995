"""What is derived from profiles: groups of ops, bottlenecks, changes, sweeps."""

from __future__ import annotations

import pytest

from latkit.evaluation.op_changes import op_changes
from latkit.evaluation.op_summary import bottleneck, bounds, by_kind, caveats, short_name, slowest
from latkit.evaluation.scaling import sweeps
from tests.report.made_profiles import made_op, made_profile


def test_ops_are_grouped_by_kind_slowest_first() -> None:
    groups = by_kind(made_profile(median=100.0))
    assert [(group.name, group.ops, group.ms) for group in groups] == [("Conv", 2, pytest.approx(80)), ("Gemm", 1, 10)]
    assert groups[0].macs == 2 * 10**9
    assert groups[0].gmacs_per_s == pytest.approx(2 * 10**9 / 80 / 1e6)
    unknown = made_profile(ops=(made_op("a", "Conv", 1.0, 1.0, macs=None), made_op("b", "Conv", 1.0, 1.0)))
    assert by_kind(unknown)[0].macs is None
    assert by_kind(unknown)[0].gmacs_per_s is None


def test_the_bottleneck_names_kind_limit_overhead_and_fallbacks() -> None:
    text = " ".join(bottleneck(made_profile()))
    for phrase in (
        "80 % of the time is Conv (2 ops)",
        "80 % is compute-bound, at 50 % of the measured peak of 0.001 GMAC/s",
        "10 % is memory-bound",
        "10 % is spent outside of all ops",
        "1 op fell back to elsewhere: 10 % of the time",
    ):
        assert phrase in text
    assert bottleneck(made_profile(ops=())) == []
    assert "bound" not in " ".join(bottleneck(made_profile(peaks=None)))


def test_achieved_share_of_a_peak_is_weighted_by_time() -> None:
    ops = (made_op("a", "Conv", 3.0, 75.0, peak_percent=10.0), made_op("b", "Conv", 1.0, 25.0, peak_percent=50.0))
    (bound,) = bounds(made_profile(ops=ops))
    assert bound.peak_percent == pytest.approx(20)
    assert [op.name for op in slowest(made_profile(ops=ops), 1)] == ["a"]


def test_a_quantized_op_is_matched_with_its_node() -> None:
    before = made_profile(ops=(made_op("c_nchwc", "Conv", 5.0, 1.0, nodes=("conv", "relu")),))
    after = made_profile(ops=(made_op("conv_token_3", "QLinearConv", 2.0, 1.0, nodes=("conv",)),))
    found = [(change.name, change.kind, change.change_ms) for change in op_changes(before, after)]
    assert found == [("conv", "Conv > QLinearConv", -3.0)]


def test_changes_are_matched_by_name_and_the_largest_comes_first() -> None:
    before = made_profile(ops=(made_op("a", "Conv", 5.0, 1.0), made_op("gone", "Relu", 1.0, 1.0)))
    after = made_profile(ops=(made_op("a", "QConv", 2.0, 1.0), made_op("new", "Cast", 0.5, 1.0)))
    found = [(change.name, change.kind, change.change_ms) for change in op_changes(before, after)]
    assert found == [("a", "Conv > QConv", -3.0), ("gone", "Relu", -1.0), ("new", "Cast", 0.5)]


def test_ops_of_one_name_are_matched_in_order() -> None:
    before = made_profile(ops=(made_op("a", "Conv", 5.0, 1.0), made_op("a", "Conv", 1.0, 1.0)))
    after = made_profile(ops=(made_op("a", "Conv", 5.0, 1.0), made_op("a", "Conv", 4.0, 1.0)))
    assert [(change.name, change.change_ms) for change in op_changes(before, after)] == [("a (2)", 3.0), ("a", 0.0)]


def test_changes_take_the_latencies_of_a_comparison() -> None:
    profile = made_profile(median=100.0)
    doubled = op_changes(profile, profile, 100.0, 200.0)
    assert doubled[0].change_ms == pytest.approx(50)


def test_a_sweep_needs_two_values_of_one_setting() -> None:
    one, two = made_profile(threads=1), made_profile(threads=2)
    (found,) = sweeps([two, one], "threads")
    assert [profile.threads for profile in found.profiles] == [1, 2]
    assert found.target == "made/onnxruntime-fp32-b1"
    assert not sweeps([one, two], "batch")
    assert not sweeps([one, one], "threads")
    assert not sweeps([one, made_profile("other.onnx", threads=2)], "threads")


def test_op_times_of_a_small_model_are_called_rough() -> None:
    quick = made_op("a", "Conv", 3.0, 75.0, profiled_ms=0.002)
    assert "1 op of 1 takes less than 5 us" in " ".join(caveats(made_profile(ops=(quick,))))
    long = made_profile(ops=(made_op("a", "Conv", 3.0, 75.0, profiled_ms=3.0),))
    assert caveats(long) == []
    assert long.profiler
    slowed = long.model_copy(update={"profiler": long.profiler.model_copy(update={"slowdown": 2.0})})
    assert "Profiled runs take 2.0 times as long" in " ".join(caveats(slowed))
    assert "outside of all ops" not in " ".join(bottleneck(slowed))


def test_bytes_from_the_caches_are_no_share_of_a_peak() -> None:
    op = made_op("a", "Conv", 3.0, 75.0, bound="cache", peak_percent=None)
    assert "75 % is cache-bound: its data comes from the caches" in " ".join(bottleneck(made_profile(ops=(op,))))


def test_a_long_name_is_cut_before_its_end() -> None:
    assert short_name("short", 20) == "short"
    assert (
        short_name("convert.Wrapper/torch.nn.Sequential_1/Block_3/ConvBatchNorm_expand;1", 30)
        == "…/Block_3/ConvBatchNorm_expand"
    )
    assert len(short_name("x" * 100, 30)) == 30
    path = "/2/body/expand/expand.2/Clip_output_0"
    assert [short_name(path, chars) for chars in (40, 30, 20)] == [path, "2/…/expand.2/Clip_output_0", "2/…/expand.2"]
    assert short_name("my.net.Block_2/torch.nn.modules.conv.Conv2d_4;2", 30) == "Block_2/Conv2d_4"
    assert short_name("/2/f/f.2/Conv", 30) == "/2/f/f.2/Conv"
