"""Graphs: external networks, of ONNX or TFLite, and their kernels, as records without disk, device or torch."""

from latkit.graphs.generators import networks, stacks
from latkit.graphs.graph import OPSET, Constant, Graph, Node, Tensor
from latkit.graphs.model_file import FileTensor, ModelFile
from latkit.graphs.node import Quantization
from latkit.graphs.onnx.builder import GraphBuilder
from latkit.graphs.onnx.macs import node_macs
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
    "Quantization",
    "Rule",
    "Tensor",
    "candidates",
    "networks",
    "node_macs",
    "partition_graph",
    "stacks",
]
