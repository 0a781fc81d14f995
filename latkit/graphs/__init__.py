"""Graphs: external (ONNX) networks and their kernels, as records without disk, device or torch."""

from latkit.graphs.builder import GraphBuilder
from latkit.graphs.generators import networks
from latkit.graphs.graph import OPSET, Constant, Graph, Node, Tensor, node_macs
from latkit.graphs.model_file import FileTensor, ModelFile
from latkit.graphs.partition import Candidate, Edge, Kernel, Partition, Rule, candidates, partition_graph

__all__ = [
    "OPSET",
    "Candidate",
    "Constant",
    "Edge",
    "FileTensor",
    "Graph",
    "GraphBuilder",
    "Kernel",
    "ModelFile",
    "Node",
    "Partition",
    "Rule",
    "Tensor",
    "candidates",
    "networks",
    "node_macs",
    "partition_graph",
]
