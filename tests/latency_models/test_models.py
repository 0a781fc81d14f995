import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latkit.errors import BadFile, MeasurementConflict, NotMeasured, UsageError
from latkit.latency_models import LatencyModel, LookupModel, XGBoostModel, load_model
from latkit.latency_models.calibration.model import fit_calibration
from latkit.latency_models.calibration.terms import NetworkParts
from latkit.latency_models.trees.features import feature_names, features, pixels_per_set
from latkit.ops import OVERHEAD_PROBE, Op, get_kind, make_op
from latkit.spaces import proxyless_mobile
from tests.builders import ENVIRONMENT, TARGET, conv, make_measurement, measurements_of, network_of

GOLDEN = Path(__file__).parent / "golden"
MBCONVS = [op for op in proxyless_mobile().ops() if op.kind == "mbconv"]


def formula_ns(op: Op) -> int:
    """A made-up latency: for fitting only, where the truth must be known."""
    return 2000 + op.macs // 10 + 3 * op.work.elements


def test_a_lookup_returns_the_measured_latency_minus_the_overhead() -> None:
    model = LookupModel().fit(measurements_of({conv(8): 11_000, conv(16): 21_000}, fixed_ns=1000))
    assert model.op_estimate(conv(8)).seconds == pytest.approx(10e-6)
    assert model.predict(conv(8)).seconds == pytest.approx(11e-6)
    assert model.base_seconds() == pytest.approx(1e-6)


def test_a_network_costs_the_fixed_cost_once() -> None:
    model = LookupModel().fit(measurements_of({conv(8): 11_000}, fixed_ns=1000))
    assert model.predict(network_of(conv(8), conv(8), conv(8))).seconds == pytest.approx(31e-6)
    assert model.calibration_.relative_half_width is None


def test_networks_calibrate_the_sum() -> None:
    networks = [network_of(*[conv(8)] * count) for count in (1, 2, 3, 4)]
    # every network takes its fixed cost and 1.2 times the sum of its ops
    measured = {conv(8): 11_000} | {network: 1000 + 12_000 * len(network.ops) for network in networks}
    model = LookupModel().fit(measurements_of(measured, fixed_ns=1000))
    assert model.calibration_.scale == pytest.approx(1.2)
    assert model.layer_seconds([conv(8)]) == pytest.approx([12e-6])
    unseen = model.predict(network_of(*[conv(8)] * 6))
    assert unseen.seconds == pytest.approx(73e-6)
    assert unseen.low_s <= unseen.seconds <= unseen.high_s
    assert model.origin_.network_keys == {network.key for network in networks}


def test_an_interval_widens_with_the_error_of_networks_left_out() -> None:
    parts = NetworkParts.without_conversions([1, 2, 3, 4], [0] * 4)
    exact = fit_calibration(parts, [1.1, 2.2, 3.3, 4.4], 0.0)
    noisy = fit_calibration(parts, [1.0, 2.4, 3.0, 4.8], 0.0)
    assert exact.relative_half_width == pytest.approx(0, abs=1e-9)
    assert noisy.relative_half_width is not None
    assert noisy.relative_half_width > 0.1


def test_an_interval_holds_the_difference_between_two_times() -> None:
    networks = {network_of(*[conv(8)] * count): 10_000 * count + 1000 for count in range(1, 5)}
    ops = {conv(8): 11_000}
    first = measurements_of({**ops, **networks}, fixed_ns=1000)
    later = [replace(make_measurement(one, round(1.1 * ns)), repetition=1) for one, ns in networks.items()]
    once, twice = LookupModel().fit(first).calibration_, LookupModel().fit([*first, *later]).calibration_
    assert twice.scale > once.scale
    assert twice.relative_half_width is not None
    assert twice.relative_half_width > 0.1
    assert len(twice.errors) == 2 * len(once.errors)
    some = LookupModel().fit([*first, *later[1:]]).calibration_  # of a time that lacks a network, nothing counts
    assert some == once


def test_an_op_not_measured_is_an_error_that_names_the_nearest() -> None:
    model = LookupModel().fit(measurements_of({conv(8): 11_000, conv(64): 21_000}))
    with pytest.raises(
        NotMeasured, match=r"conv k3 s1 16x8x8 > 16 was not measured \(nearest measured: conv k3 s1 8x8x8 > 8,"
    ):
        model.predict(network_of(conv(16)))
    with pytest.raises(NotMeasured, match="no linear at all"):
        model.layer_seconds([make_op("linear", (8,), out_features=2)])


@pytest.mark.parametrize("kind", [LookupModel, XGBoostModel])
def test_what_cannot_be_fitted_says_what_is_missing(kind: type[LatencyModel]) -> None:
    with pytest.raises(NotMeasured, match="latkit collect"):
        kind().fit([])
    with pytest.raises(NotMeasured, match="fixed cost"):
        kind().fit([make_measurement(conv(8), 1000)])
    two_environments = [
        make_measurement(OVERHEAD_PROBE, 1000),
        make_measurement(conv(8), 1, environment=replace(ENVIRONMENT, opset=18)),
    ]
    with pytest.raises(MeasurementConflict, match="opset 17 and 18"):
        kind().fit(two_environments)


@pytest.mark.slow
def test_trees_predict_ops_never_measured() -> None:
    measured, unseen = MBCONVS[::2], MBCONVS[1::2]
    model = XGBoostModel().fit(measurements_of({op: formula_ns(op) for op in measured}, fixed_ns=1))
    errors = [abs(model.op_estimate(op).seconds / (formula_ns(op) / 1e9) - 1) for op in unseen]
    assert np.mean(errors) < 0.1
    assert np.quantile(errors, 0.9) < 0.2


@pytest.mark.slow
def test_trees_stay_sane_far_outside_what_was_measured() -> None:
    model = XGBoostModel().fit(measurements_of({op: formula_ns(op) for op in MBCONVS}, fixed_ns=1))
    huge = make_op("mbconv", (960, 112, 112), out_channels=960, kernel=7)
    assert model.op_estimate(huge).seconds == pytest.approx(formula_ns(huge) / 1e9, rel=0.5)


@pytest.mark.slow
def test_trees_use_the_table_for_rarely_measured_kinds_and_refuse_unknown_ones() -> None:
    model = XGBoostModel().fit(measurements_of({op: formula_ns(op) for op in MBCONVS} | {conv(8): 5000}, fixed_ns=1000))
    assert model.op_estimate(conv(8)).seconds == pytest.approx(4e-6)
    with pytest.raises(NotMeasured, match="12 measured ops of kind conv would let it be predicted"):
        model.op_estimate(conv(16))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [LookupModel, XGBoostModel])
def test_a_saved_model_predicts_the_same(kind: type[LatencyModel], tmp_path: Path) -> None:
    network = network_of(MBCONVS[0])
    nanoseconds = {op: formula_ns(op) for op in MBCONVS} | {network: 5 * formula_ns(MBCONVS[0])}
    model = kind().fit(measurements_of(nanoseconds, fixed_ns=1000))
    model.save(tmp_path / "model.json")
    again = load_model(tmp_path / "model.json", LatencyModel)
    assert type(again) is kind
    assert again.origin_ == model.origin_
    assert again.predict(network) == model.predict(network)
    assert again.layer_seconds(MBCONVS) == model.layer_seconds(MBCONVS)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    with pytest.raises(BadFile, match="no such file"):
        load_model(path, LatencyModel)
    path.write_text("{}")
    with pytest.raises(BadFile, match="latency model"):
        load_model(path, LatencyModel)
    model = LookupModel().fit(measurements_of({conv(8): 11_000}))
    model.save(path)
    path.write_text(path.read_text().replace(f'"{TARGET}"', '"nonsense"'))
    with pytest.raises(BadFile, match="DEVICE/RUNTIME"):
        load_model(path, LatencyModel)


def test_a_lookup_model_of_format_1_is_read() -> None:
    model = load_model(GOLDEN / "model-1-lookup.json", LatencyModel)
    assert model.kind == "lookup"
    assert model.origin_.estimator == "min", "called floor then"
    assert model.calibration_.networks == 20
    assert model.calibration_.curve == ()
    linear = model.predict(make_op("linear", (1280,), out_features=1000))
    assert linear.seconds == pytest.approx(63e-6, rel=0.01)
    half_width = model.calibration_.relative_half_width
    assert half_width == pytest.approx(1.729 * (model.calibration_.relative_error or 0), rel=1e-3)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_trees_of_older_formats_are_refused_with_the_remedy(tmp_path: Path, number: int) -> None:
    document = json.loads((GOLDEN / "model-1-lookup.json").read_text()) | {"format": f"latkit-model-{number}"}
    kind = {"baseline": [0.0], "relative_error": 0.1, "booster": {}}
    path = tmp_path / "model-xgboost.json"
    path.write_text(json.dumps({**document, "kind": "xgboost", "kinds": {"mbconv": kind}}))
    with pytest.raises(BadFile, match="run latkit fit again"):
        load_model(path, LatencyModel)


@pytest.mark.slow
def test_intervals_of_trees_hold_what_they_claim_on_ops_left_out() -> None:
    rng = np.random.default_rng(0)
    noisy = {op: int(formula_ns(op) * np.exp(rng.normal(0, 0.05))) for op in MBCONVS}
    model = XGBoostModel().fit(measurements_of({op: noisy[op] for op in MBCONVS[:-20]}, fixed_ns=1))
    estimates = [(model.op_estimate(op), noisy[op] / 1e9) for op in MBCONVS[-20:]]
    assert 14 <= sum(latency.low_s <= seconds <= latency.high_s for latency, seconds in estimates) <= 20
    assert all(latency.low_s > 0.7 * latency.seconds for latency, _ in estimates)


def test_measurements_of_two_targets_do_not_mix() -> None:
    other = replace(make_measurement(conv(8), 1000), target=replace(TARGET, threads=2))
    with pytest.raises(UsageError, match="one target"):
        LookupModel().fit([make_measurement(OVERHEAD_PROBE, 10), other])


@pytest.mark.parametrize(
    "op", [MBCONVS[0], conv(8), make_op("pool", (8, 4, 4)), make_op("linear", (8,), out_features=2)]
)
def test_features_are_finite_named_and_split_the_macs(op: Op) -> None:
    names = feature_names(sorted(get_kind(op.kind).attributes))
    assert len(features(op)) == len(names)
    assert np.isfinite(features(op)).all()
    assert op.work.dense_macs + op.work.depthwise_macs == op.macs


def test_pixels_of_as_many_channels_as_a_page_holds_share_a_cache_set() -> None:
    assert pixels_per_set(4096, 36) == 36  # 4096 bytes from one to the next
    assert pixels_per_set(2048, 36) == 18
    assert pixels_per_set(4064, 36) == pytest.approx(36 / 128)  # 32 bytes off a page each
