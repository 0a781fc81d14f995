"""The connections between the ops of a network: which ops take whose outputs."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from latkit.errors import UsageError
from latkit.ops.attribute import Shape, shown
from latkit.ops.op import Op

INPUT = -1
"""Among the inputs of an op: the network's own input."""

Inputs = tuple[tuple[int, ...], ...]
"""For every op, the indices of the ops whose outputs it takes, in order."""

MAX_SHOWN = 5
"""Ops that an error names."""


def check_chain(ops: Sequence[Op]) -> None:
    """Raise UsageError unless each op has one input, the output of the op before it."""
    given: Shape | None = None
    for index, op in enumerate(ops):
        if op.other_inputs:
            raise UsageError(f"expected {len(op.input_shapes)} inputs of {_name(ops, index)}, but found 1")
        if given not in (None, op.input_shape):
            raise UsageError(f"{ops[index - 1].title} gives {given}, but {op.title} expects {op.input_shape}")
        given = op.output_shape


def check_graph(ops: Sequence[Op], inputs: Inputs) -> None:
    """Raise UsageError unless the ops form an acyclic graph with one input and one output, and their shapes fit."""
    if len(inputs) != len(ops):
        raise UsageError(f"expected inputs of {len(ops)} ops, but found those of {len(inputs)}")
    for index, taken in enumerate(inputs):
        _check_sources(ops, index, taken)
    _check_order(ops, inputs)
    _check_shapes(ops, inputs)
    used = {source for taken in inputs for source in taken}
    if INPUT not in used:
        raise UsageError("expected an op that takes the network's input, but found none")
    unused = [index for index in range(len(ops) - 1) if index not in used]
    if unused:
        raise UsageError(
            f"expected one output, that of the last op, but no op takes the output of {_names(ops, unused)}: "
            "a network has one output, and every other op is used"
        )


def _check_sources(ops: Sequence[Op], index: int, taken: Sequence[int]) -> None:
    for source in taken:
        if type(source) is not int or not INPUT <= source < len(ops):
            raise UsageError(
                f"{_name(ops, index)} takes the output of op {shown(source)}, but the ops are 0 to {len(ops) - 1}"
            )
    if len(taken) != len(ops[index].input_shapes):
        raise UsageError(
            f"expected {len(ops[index].input_shapes)} inputs of {_name(ops, index)}, but found {len(taken)}"
        )


def _check_order(ops: Sequence[Op], inputs: Inputs) -> None:
    """An op stands after its inputs. If no order of the ops does that, the error names a cycle."""
    late = next((index for index, taken in enumerate(inputs) if max(taken, default=INPUT) >= index), None)
    if late is None:
        return
    sources = {index: [source for source in taken if source != INPUT] for index, taken in enumerate(inputs)}
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        cycle = error.args[1][:-1]  # it ends with its first op
        first = cycle.index(min(cycle))
        cycle = [*cycle[first:], *cycle[:first], cycle[first]]
        raise UsageError(f"expected ops without a cycle, but found {_names(ops, cycle, ' > ')}") from None
    raise UsageError(
        f"{_name(ops, late)} stands before {_name(ops, max(inputs[late]))}, whose output it takes; "
        "order the ops so that each stands after its inputs"
    )


def _check_shapes(ops: Sequence[Op], inputs: Inputs) -> None:
    entry: Shape | None = None
    given = [op.output_shape for op in ops]
    for op, taken in zip(ops, inputs, strict=True):
        for source, expected in zip(taken, op.input_shapes, strict=True):
            if source == INPUT:
                entry = entry or expected
            found = given[source] if source != INPUT else entry
            if found != expected:
                source_title = ops[source].title if source != INPUT else "the network's input"
                raise UsageError(f"{source_title} gives {found}, but {op.title} expects {expected}")


def _name(ops: Sequence[Op], index: int) -> str:
    return f"op {index} ({ops[index].title})"


def _names(ops: Sequence[Op], indices: Sequence[int], separator: str = ", ") -> str:
    shown_names = [_name(ops, index) for index in indices[:MAX_SHOWN]]
    return separator.join([*shown_names, "..."] if len(indices) > MAX_SHOWN else shown_names)
