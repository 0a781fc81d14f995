"""Why a runtime rejects a model, in its own words but without its own code."""

from __future__ import annotations

import pytest

from latkit.runtimes import get_runtime

PREFIX = "onnxruntime rejects the model a588: [ONNXRuntimeError] : 1 : FAIL : Load model from /models/a588 failed:"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            PREFIX + "Fatal error: my:Op(-1) is not a registered function/op",
            "Fatal error: my:Op(-1) is not a registered",
        ),
        (
            PREFIX + "/onnxruntime_src/core/graph/model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, const T&) "
            "Unsupported model IR version: 14",
            "Unsupported model IR version: 14",
        ),
    ],
)
def test_onnxruntime_s_reason(message: str, reason: str) -> None:
    assert get_runtime("onnxruntime").short_reason(message).startswith(f"onnxruntime rejects the model a588: {reason}")
    assert get_runtime("tflite").short_reason(message) == message
