"""Nodes of ONNX."""

from __future__ import annotations

from latkit.graphs.node_rules import NodeRules
from latkit.graphs.onnx.checks import check_node
from latkit.graphs.onnx.defaults import with_defaults
from latkit.graphs.onnx.macs import node_macs

RULES = NodeRules(with_defaults, check_node, node_macs)
"""ONNX's own operators; the release is its opset."""
