"""Which kernels are measured next."""

from collections import Counter

from latkit.latency_models.kernels.sampling_plan import choose_kernels, drawn_networks, plan


def test_a_small_batch_holds_kernels_of_the_most_frequent_anchors() -> None:
    pool = plan(drawn_networks("tflite")[:12], ()).kernels
    chosen = choose_kernels(pool, {}, 6)
    (frequent, _), *_ = Counter(spec.anchor for spec in pool).most_common(1)
    assert len(chosen) == 6
    assert any(spec.graph in chosen for spec in pool if spec.anchor == frequent)
