"""The nodes of an ONNX file that an op of onnxruntime computes, by the name and kind of the op.

onnxruntime derives the names of the nodes that it makes from those that they replace, or from a value that they give:
`fused /0/Conv`, `/0/Conv_token_37` (quantized), `/1/Clip_output_0_nchwc` (a convolution with the activation after it),
`/mlp/MatMul/MatMulAddFusion`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from latkit.runtimes.base import ExecutedOp, FileNode

MAX_STEPS = 8
"""Nodes that are followed back from the last one that an op computes."""

_PREFIX = re.compile(r"^(NhwcFused|Fused|QLinear|DynamicQuantize|Q)(?=[A-Z])")
_SUFFIX = re.compile(r"Integer(ToFloat)?$")
_SEPARATORS = re.compile(r"[/_ ]")


def base_kind(kind: str) -> str:
    """The operator that an op of onnxruntime's own stands for: `Conv` of `QLinearConv`."""
    return _SUFFIX.sub("", _PREFIX.sub("", kind))


class OpNames:
    """Finds the nodes of one file."""

    def __init__(self, nodes: Sequence[FileNode]) -> None:
        self._named = {node.name: node for node in reversed(nodes) if node.name}
        self._giving = {value: node for node in nodes for value in node.writes if value}

    def __call__(self, op: ExecutedOp) -> tuple[str, ...]:
        """The names of the nodes that an op computes, its own operator first; empty if its name tells none."""
        last = self._last_node(op.name)
        chain = [last] if last else []
        while chain and len(chain) <= MAX_STEPS:
            if base_kind(chain[-1].kind) == base_kind(op.kind):
                return tuple(node.name for node in reversed(chain) if node.name)
            before = self._giving.get(chain[-1].reads[0]) if chain[-1].reads else None
            if before is None:
                break
            chain.append(before)
        return (last.name,) if last and last.name else ()

    def _last_node(self, name: str) -> FileNode | None:
        """The node of that name, or that gives the value of that name; endings that onnxruntime added are dropped."""
        name = name.removeprefix("fused ")
        while name:
            if found := self._named.get(name) or self._giving.get(name):
                return found
            ends = [match.start() for match in _SEPARATORS.finditer(name)]
            name = name[: ends[-1]] if ends else ""
        return None
