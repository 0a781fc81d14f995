"""The derived network as a row of layers, including skipped ones, each with the latency it adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from latkit.errors import UsageError
from latkit.ops import Op, Shape
from latkit.report.sections.searches.search_facts import SearchFacts


@dataclass(frozen=True, slots=True)
class Placed:
    """An op at its position in the network."""

    layer: str
    """The layer's name in the space; empty if the space is not known."""
    op: Op
    seconds: float | None
    """What it adds to the network's latency; None if unknown."""
    inputs: tuple[int, ...] = ()
    """The layers whose outputs it takes, by their place in the network, -1 for its input; empty in a chain."""


def layers(known: SearchFacts) -> list[Placed]:
    """The network's layers in order. Skips are included if the space is known: a network itself has none."""
    if known.network is None:
        return []
    seconds = _from_model(known) or _from_table(known)
    inputs = known.network.inputs if not known.network.is_chain else ()
    return [
        Placed(name, op, 0.0 if op.is_identity else seconds.get(name or str(i)), inputs[i] if inputs else ())
        for i, (name, op) in _ops(known)
    ]


def _ops(known: SearchFacts) -> Iterator[tuple[int, tuple[str, Op]]]:
    """Layer names and ops, numbered; from the space if it is known, else from the network alone."""
    assert known.network is not None
    named = known.space.layer_ops(known.result.architecture) if known.space and known.result else ()
    return enumerate(named or (("", op) for op in known.network.ops))


def _from_model(known: SearchFacts) -> dict[str, float]:
    """Seconds by layer, from the target's model."""
    if known.model is None:
        return {}
    ops = [(name or str(index), op) for index, (name, op) in _ops(known) if not op.is_identity]
    added = known.model.layer_seconds([op for _, op in ops])
    return dict(zip((name for name, _ in ops), added, strict=True))


def _from_table(known: SearchFacts) -> dict[str, float]:
    """Seconds by layer, from the table of the search: choices only, because the fixed layers are one sum in it."""
    if known.table is None or known.space is None or known.result is None:
        return {}
    known.table.check_space(known.space)
    rows = known.table.seconds.tolist()
    names = [choice.name for choice in known.space.choices]
    return {name: row[index] for name, row, index in zip(names, rows, known.result.architecture, strict=True)}


def stages(placed: list[Placed]) -> list[list[Placed]]:
    """Layers in rows: a new row where the output shape changes, but no row for every single layer.

    Raises UsageError if there is no layer.
    """
    if not placed:
        raise UsageError("expected a network with at least one layer")
    rows: list[list[Placed]] = [[placed[0]]]
    for layer in placed[1:]:
        if _shape(layer) == _shape(rows[-1][-1]):
            rows[-1].append(layer)
        else:
            rows.append([layer])
    merged: list[list[Placed]] = []
    single_before = False
    for row in rows:
        if len(row) == 1 and single_before:
            merged[-1] += row
        else:
            merged.append(list(row))
        single_before = len(row) == 1
    return merged


def _shape(layer: Placed) -> Shape:
    return layer.op.output_shape
