"""Which kernels are measured next."""

from collections import Counter

from latkit.latency_models.kernels.sampling_plan import choose_kernels, drawn_networks, plan


def test_a_small_batch_holds_kernels_of_the_anchors_with_most_work() -> None:
    found = plan(drawn_networks("tflite")[:8], ())
    chosen = choose_kernels(found.kernels, found.fractions, {}, 6)
    largest = max(found.fractions, key=lambda anchor: found.fractions[anchor])
    counts = Counter(spec.anchor for spec in found.kernels if spec.timed in chosen)
    assert len(chosen) == 6
    assert counts[largest] == 1


def test_anchors_without_a_kernel_come_before_those_with_few() -> None:
    found = plan(drawn_networks("tflite")[:8], ())
    rare = min(found.fractions, key=lambda anchor: found.fractions[anchor])
    first = {spec.anchor: spec.key for spec in reversed(found.kernels) if spec.anchor != rare}
    known = dict.fromkeys(first.values(), 1e-5)
    (chosen,) = choose_kernels(found.kernels, found.fractions, known, 1)
    assert next(spec.anchor for spec in found.kernels if spec.timed == chosen) == rare


def test_light_work_that_no_measured_kernel_has_comes_first() -> None:
    found = plan(drawn_networks()[:6], [("conv", "relu"), ("conv", "silu")])
    convs = [spec for spec in found.kernels if spec.anchor == "conv"]
    known = {spec.key: 1e-5 for spec in convs if not spec.light_kinds}
    (chosen,) = choose_kernels(convs, found.fractions, known, 1)
    assert next(spec for spec in convs if spec.timed == chosen).light_kinds
