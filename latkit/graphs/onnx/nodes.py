"""Nodes of ONNX."""

from __future__ import annotations

from latkit.graphs.dialect import Dialect
from latkit.graphs.onnx.checks import check_node
from latkit.graphs.onnx.defaults import with_defaults
from latkit.graphs.onnx.macs import node_macs

DIALECT = Dialect(with_defaults, check_node, node_macs)
"""ONNX's own operators; the release is its opset."""
