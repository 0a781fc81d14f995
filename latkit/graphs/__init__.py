"""Graphs: foreign networks and their kernels, as records with no disk, no device and no torch."""

from latkit.graphs.builder import GraphBuilder
from latkit.graphs.cutting import Candidate, Cut, Edge, Kernel, Rule, candidates, cut
from latkit.graphs.families import networks
from latkit.graphs.graph import OPSET, Constant, Graph, Node, Tensor, node_macs

__all__ = [
    "OPSET",
    "Candidate",
    "Constant",
    "Cut",
    "Edge",
    "Graph",
    "GraphBuilder",
    "Kernel",
    "Node",
    "Rule",
    "Tensor",
    "candidates",
    "cut",
    "networks",
    "node_macs",
]
