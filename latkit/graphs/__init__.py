"""Graphs: foreign networks and their kernels, as records with no disk, no device and no torch."""

from latkit.graphs.cutting import Cut, Edge, Kernel, Rule, candidates, cut
from latkit.graphs.graph import Constant, Graph, Node, Tensor

__all__ = ["Constant", "Cut", "Edge", "Graph", "Kernel", "Node", "Rule", "Tensor", "candidates", "cut"]
