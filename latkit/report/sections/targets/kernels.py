"""The kernels of external networks on a target's page: what was measured of each kind, and the model of them."""

from __future__ import annotations

from latkit.latency_models import KernelModel
from latkit.report.formatting import latency, percent
from latkit.report.html import Html, facts, join, paragraph, table


def kernels_section(model: KernelModel) -> Html:
    """The kinds of kernels that were measured, and the errors of the model on networks left out of its fit."""
    calibration = model.calibration_
    values = {
        "kernels measured": len(model.measured_),
        "fusion rules": len(model.rules),
        "networks calibrated on": len(model.origin_.network_keys),
        "fixed cost": latency(model.fixed_s_),
        "90 % interval of networks whose kernels were measured": f"±{percent(100 * calibration.measured_error)}",
        "90 % interval of other networks": f"±{percent(100 * calibration.predicted_error)}",
    }
    anchors = sorted(model.anchors_.items())
    rows = [(name, percent(100 * anchor.relative_error)) for name, anchor in anchors]
    intro = "Any ONNX file is predicted from these: latkit predict. A kernel is named after its heaviest operator."
    return join(
        [paragraph(intro), facts(values), table(("kind of kernel", "error on kernels left out of the fit"), rows)]
    )
