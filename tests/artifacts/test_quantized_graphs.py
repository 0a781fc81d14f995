"""Quantized graphs in the cache."""

from pathlib import Path

import pytest

from latkit.artifacts.quantized_graphs import quantized_graph
from latkit.graphs import Graph, GraphBuilder
from latkit.runtimes import get_runtime
from latkit.runtimes.onnxruntime import OnnxRuntime

RUNTIME = get_runtime("onnxruntime")


def network() -> Graph:
    b = GraphBuilder()
    return b.graph([b.conv(b.input(1, 4, 8, 8), 8, 3)], "small")


def test_a_network_is_quantized_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = quantized_graph(RUNTIME, network(), "int8", tmp_path)
    monkeypatch.setattr(OnnxRuntime, "quantized_graph", None)
    found = quantized_graph(RUNTIME, network(), "int8", tmp_path)
    assert found == made
    assert found.name == "small"
    assert [c.values for c in found.constants] == [c.values for c in made.constants]


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    made = quantized_graph(RUNTIME, network(), "int8", tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    assert quantized_graph(RUNTIME, network(), "int8", tmp_path) == made
