"""Gains of precisions on a target's page, and the page of a quantization."""

from __future__ import annotations

from pathlib import Path

from latkit.ops import make_op
from latkit.report.sections.precisions import gains_of
from latkit.report.write import page_about
from latkit.search.quantization.records import (
    QUANTIZED_FILE,
    LayerPolicy,
    QuantizeResult,
    QuantizeSettings,
    Variant,
)
from latkit.timing import Estimate
from latkit.workspace import Workspace

CONV = make_op("conv", (8, 6, 6), out_channels=8)


def test_gains_are_of_ops_measured_in_fp32_and_another_precision() -> None:
    unmatched = make_op("pool", (8, 6, 6)).in_precision("int8")
    seconds = {CONV: 4e-6, CONV.in_precision("int8"): 2e-6, unmatched: 1e-6}
    found = gains_of({op: Estimate(value, None, None) for op, value in seconds.items()})
    assert found == {CONV: {"fp32": 4e-6, "int8": 2e-6}}


def layer(op: str, precision: str, boundary_ms: float) -> LayerPolicy:
    return LayerPolicy(
        op=op,
        precision=precision,
        precisions=("int8", "fp32"),
        ms=(0.0125, 0.0375),
        divergences=(0.002, 0.0),
        boundary_ms=boundary_ms,
    )


def test_a_quantization_has_a_page_with_its_policy_and_boundaries(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path)
    variant = Variant(predicted_ms=0.05, measured_ms=0.04, size_mb=1.5, score=0.625, file="exact.onnx")
    result = QuantizeResult(
        target="here/onnxruntime-t1-fp32-b1",
        network="net <b>",
        network_key="k",
        quantity="latency_ms",
        bound=0.06,
        settings=QuantizeSettings(),
        winner="exact",
        judged_scores={"exact": 0.75},
        layers=(layer("conv <i>", "int8", 0.0), layer("pool", "fp32", 0.0077)),
        variants={"exact": variant, "fp32": variant},
    )
    (workspace.search_dir("q")).mkdir(parents=True)
    result.save(workspace.search_dir("q") / QUANTIZED_FILE)
    page = page_about(workspace, "q", tmp_path)
    assert "exact, 1 boundaries" not in page
    for text in ("exact, 1 boundary", "12.5 µs", "7.70", "62.50 %", "+25.0 %", "boundary before it"):
        assert text in page
    assert "<b>" not in page.split("</script>")[0]
    assert "conv <i>" not in page
