"""A profile on a terminal."""

from __future__ import annotations

import pytest

from latkit.cli.render.profile import SHOWN, show_profile, show_profiles
from tests.report.made_profiles import made_op, made_profile


def test_everything_a_profile_says_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_profile(made_profile(emulated=True, flags={"unpinned": "no"}, notes=("no energy",), complete=False))
    out, err = capsys.readouterr()
    for phrase in (
        "made.onnx on made/onnxruntime-t1-fp32-b1 (emulated: this is no phone)",
        "3000 M MACs",
        "x=1x2x3 float32",
        "1e+05 ms median",
        "every 7 ms",
        "2.00 times hot, 3 began late",
        "load 1 ms, first run 2 ms",
        "slowest 3 of 3 ops",
        "runtime overhead",
        "100.0 %",
        "compute 50 %",
        "elsewhere",
        "1.25 times as long",
    ):
        assert phrase in out
    for phrase in ("fell back to elsewhere: head (Gemm)", "unpinned: no", "no energy", "run the same command again"):
        assert phrase in err


def test_a_profile_without_ops_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_profile(made_profile(ops=(), profiler=None, fallbacks=(), peaks=None, overhead_ms=None, pacing=(), paced=None))
    assert "slowest" not in capsys.readouterr().out


def test_many_ops_are_cut_with_their_sum(capsys: pytest.CaptureFixture[str]) -> None:
    ops = tuple(made_op(f"op{number}", "Conv", 1.0, 1.0) for number in range(SHOWN + 5))
    show_profile(made_profile(ops=ops))
    assert "5 other ops" in capsys.readouterr().out


def test_text_of_the_file_is_no_markup_and_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show_profile(made_profile(ops=(made_op("[red]a\x1b[2J\nb", "[/]", 1.0, 1.0),)))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[red]a" in out


def test_models_by_targets_and_sweeps(capsys: pytest.CaptureFixture[str]) -> None:
    show_profiles([made_profile(threads=1), made_profile(threads=2, median=50.0), made_profile("other.onnx")])
    out = capsys.readouterr().out
    for phrase in ("other.onnx", "by threads", "2000"):
        assert phrase in out
    assert "by batch" not in out
