from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.published_features import fbnet, nasbench201
from latkit.errors import UsageError
from latkit.latency_models.transfer import Prior, choose_rows, infer
from latkit.latency_models.transfer.prior import fitted_latencies

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
NAMES = ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"]


def prior_of(features: np.ndarray, *noises: float) -> Prior:
    return Prior(np.ones(len(features)), (features,), ((1.0,),), (0.1, 0.5), noises or (0.001, 0.05))


def linear_device(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A device whose latencies are linear in three features of 200 networks."""
    features = np.random.default_rng(seed).normal(size=(200, 3))
    return features, 20.0 * (1 + 0.2 * features @ [1.0, -0.5, 0.3] / 2)


def test_latencies_within_the_prior_are_inferred_exactly() -> None:
    features, latencies = linear_device()
    prior = prior_of(features)
    measured = choose_rows(prior, 8)
    inferred = infer(prior, measured, latencies[measured])
    assert inferred.mean == pytest.approx(latencies, rel=0.01)
    assert inferred.deviation.max() < 0.5
    assert inferred.noise < 0.02


def test_a_unit_does_not_matter() -> None:
    features, latencies = linear_device()
    prior = prior_of(features)
    once, again = (infer(prior, range(10), unit * latencies[:10]) for unit in (1.0, 1000.0))
    assert again.mean == pytest.approx(1000 * once.mean)
    assert again.deviation == pytest.approx(1000 * once.deviation)


def test_an_outlier_has_little_influence() -> None:
    features, latencies = linear_device()
    prior, answers = prior_of(features), latencies[:12].copy()
    answers[3] *= 2.5
    assert infer(prior, range(12), answers).mean == pytest.approx(latencies, rel=0.02)


def test_noise_widens_what_is_uncertain() -> None:
    features, latencies = linear_device()
    rng = np.random.default_rng(1)
    noisy = latencies[:12] * (1 + 0.05 * rng.normal(size=12))
    prior = prior_of(features, 0.001, 0.01, 0.05)
    clean, loud = infer(prior, range(12), latencies[:12]), infer(prior, range(12), noisy)
    assert loud.noise > clean.noise
    assert loud.deviation.mean() > 3 * clean.deviation.mean()
    assert np.abs(loud.mean - latencies).mean() < 3 * loud.deviation.mean()


def test_the_first_choice_is_the_most_informative_and_no_op_is_measured_twice() -> None:
    features = np.array([[0.1], [-0.1], [3.0], [0.2], [-2.5], [0.0]])
    prior = prior_of(features)
    assert choose_rows(prior, 2) == [2, 4]
    assert set(choose_rows(prior, 4, measured=[2, 4])) == {0, 1, 3, 5}


def test_chosen_networks_beat_random_ones() -> None:
    features, latencies = linear_device()
    prior = prior_of(features, 0.02)
    rng = np.random.default_rng(2)
    answers = latencies * (1 + 0.02 * rng.normal(size=200))

    def error(measured: list[int]) -> float:
        return float(np.abs(infer(prior, measured, answers[measured]).mean / latencies - 1).mean())

    drawn = [error(rng.choice(200, 5, replace=False).tolist()) for _ in range(30)]
    assert error(choose_rows(prior, 5)) < np.mean(drawn)


def test_outliers_of_a_known_device_are_treated_as_noise() -> None:
    features, latencies = linear_device()
    with_outliers = latencies.copy()
    with_outliers[::20] *= 3
    assert fitted_latencies(features, with_outliers[:, None])[:, 0] == pytest.approx(latencies, rel=0.02)


def cell(*ops: str) -> str:
    a, b, c, d, e, f = ops
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def test_cells_are_read_and_unknown_ones_refused() -> None:
    text = cell("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "none")
    assert nasbench201.parse_cells([text]).tolist() == [[0, 1, 2, 3, 4, 0]]
    with pytest.raises(UsageError, match="NAS-Bench-201"):
        nasbench201.parse_cells(["|dil_conv~0|"])
    with pytest.raises(UsageError, match="2 edges"):
        nasbench201.parse_cells(["|none~0|+|none~0|"])


def test_what_a_compiler_may_leave_out_of_a_cell() -> None:
    conv, none = "nor_conv_3x3", "none"
    # the first leads only to node 1; the second starts at node 1, which the input does not reach
    cells = nasbench201.parse_cells(
        [cell(conv, none, none, conv, none, none), cell(none, none, conv, conv, none, conv)]
    )
    to_output, from_input = nasbench201._reach(cells != 0)
    assert to_output[0].tolist() == [False, False, False, True, True, True]
    assert from_input[1].tolist() == [True, True, False, True, False, False]


def test_fbnet_counts_ops_by_shape() -> None:
    counts = fbnet.count_ops(np.zeros((1, 22), int), 9).reshape(12, 9)
    assert counts[:, 0].tolist() == [1, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]
    assert counts.sum() == 22
    with pytest.raises(UsageError, match="22 layers"):
        fbnet.count_ops(np.zeros((1, 21), int), 9)
    with pytest.raises(UsageError, match="9 op names"):
        fbnet.count_ops(np.full((1, 22), 9), 9)


def test_fbnet_work_is_that_of_the_paper() -> None:
    work = fbnet.op_work(NAMES).reshape(12, 9, -1)
    # 32 px, 16 channels widened to 48, 3x3 depthwise, projected to 16
    assert work[0, 2, :3].tolist() == [2 * 32 * 32 * 16 * 48, 32 * 32 * 48 * 9, 0]
    assert work[0, 1, 0] * 2 == work[0, 0, 0]
    assert not work[0, 8].any()
    assert work[1, 8, 0] == 32 * 32 * 16 * 24


@pytest.mark.parametrize(
    ("file", "new", "min_spearman"),
    [("nasbench201_latency_ms.npz", "gold_6240", 0.94), ("fbnet_latency_ms.npz", "pixel3", 0.98)],
)
def test_a_real_device_from_ten_networks(file: str, new: str, min_spearman: float) -> None:
    if not (DATA / file).is_file():
        pytest.skip(f"no {file} in ../shared/data")
    data = np.load(DATA / file, allow_pickle=False)
    some = np.random.default_rng(0).choice(len(data["arch"]), 2000, replace=False)
    known = [data[name][some, None].astype(float) for name in ("1080ti_32", "silver_4210r", "samsung_a50")]
    if "op_names" in data.files:
        prior = fbnet.prior(data["arch"][some], data["op_names"].tolist(), known)
    else:
        prior = nasbench201.prior(nasbench201.parse_cells(data["arch"][some]), known)
    latencies = data[new][some].astype(float)
    measured = choose_rows(prior, 10)
    unseen = np.setdiff1d(np.arange(len(some)), measured)
    inferred = infer(prior, measured, latencies[measured])
    assert spearmanr(inferred.mean[unseen], latencies[unseen]).statistic > min_spearman
