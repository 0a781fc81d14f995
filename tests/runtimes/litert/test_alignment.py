"""XNNPACK's kernels are aligned with the operators of a file."""

from __future__ import annotations

from latkit.artifacts.files import FileOp
from latkit.runtimes.litert.alignment import align


def conv(name: str, kind: str = "CONV_2D") -> FileOp:
    weights = (1, 3, 3, 8) if kind == "DEPTHWISE_CONV_2D" else (8, 1, 1, 8)
    shape = ("FLOAT32", (1, 4, 4, 8))
    return FileOp(name, kind, (shape, ("FLOAT32", weights)), (shape,))


def plain(name: str, kind: str) -> FileOp:
    shape = ("FLOAT32", (1, 4, 4, 8))
    return FileOp(name, kind, (shape,), (shape,))


def test_fused_and_dropped_operators_have_no_kernel() -> None:
    operators = [
        conv("first"),
        plain("clip", "RELU6"),
        conv("deep", "DEPTHWISE_CONV_2D"),
        plain("view", "RESHAPE"),
        conv("last"),
        plain("sum", "ADD"),
    ]
    kernels = ["Fully Connected (NC, F32) GEMM", "Convolution (NHWC, F32) DWConv", "Convolution (NHWC, F32) IGEMM"]
    assert align([*kernels, "Add (ND)"], operators) == [0, 2, 4, 5]


def test_a_kernel_that_nothing_explains_stays_unknown() -> None:
    assert align(["Copy (NC, X32)", "Convolution (NHWC, F32) IGEMM"], [conv("only")]) == [None, 0]


def test_an_alignment_that_misses_a_multiplication_is_not_used() -> None:
    operators = [conv("first"), conv("second")]
    assert align(["Convolution (NHWC, F32) IGEMM"], operators) == [None]


def test_nothing_to_align() -> None:
    assert align([], [conv("x")]) == []
    assert align(["Add (ND)"], []) == [None]
