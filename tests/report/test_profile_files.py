"""The trace and the overlay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latkit.report.profile_files import write_overlay, write_trace
from tests.report.made_profiles import made_op, made_profile


def test_a_trace_lays_the_ops_end_to_end(tmp_path: Path) -> None:
    profile = made_profile(median=100.0)
    write_trace([profile, made_profile("other.onnx")], tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    mine = [event for event in events if event["pid"] == 1 and event["ph"] == "X"]
    run, *ops, overhead = mine
    assert run["dur"] == pytest.approx(100e3)
    assert [op["name"] for op in ops] == ["stem", "middle", "head"]
    assert [op["ts"] for op in ops] == pytest.approx([0, 50e3, 80e3])
    assert [op["dur"] for op in ops] == pytest.approx([50e3, 30e3, 10e3])
    assert overhead["ts"] + overhead["dur"] == pytest.approx(run["dur"])
    assert len({op["tid"] for op in ops}) == 2
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert names >= {"made-up", "elsewhere", "other.onnx on made/onnxruntime-t1-fp32-b1"}


def test_an_overlay_holds_the_milliseconds_by_node(tmp_path: Path) -> None:
    ops = (
        made_op("fused", "Conv", 3.0, 1.0, nodes=("conv", "relu")),
        made_op("kernel", "Add", 2.0, 1.0, nodes=()),
        made_op("conv", "Conv", 1.0, 1.0),
    )
    write_overlay(made_profile(ops=ops), tmp_path / "overlay.json")
    document = json.loads((tmp_path / "overlay.json").read_text())
    assert document["results"] == {"conv": {"value": 4.0}, "kernel": {"value": 2.0}}
    assert [stop["stop"] for stop in document["gradient"]] == [0.0, 0.25, 1.0]
