"""`latkit space`: the search spaces that there are, and what one costs to measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from latkit.cli.console import emit_json, say, show_facts, show_table
from latkit.cli.options import AsJson, Channels, Classes, Resolution, SpaceArgument, Width

app = typer.Typer(help="Search spaces: their choices, ops, and the time to measure them.", no_args_is_help=True)

MAX_SHOWN_DIGITS = 6
"""Sizes of more digits are shown as a power of ten."""

CALIBRATION_NETWORKS = 10
"""Networks that `collect space` measures besides the ops, by default."""


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List the built-in spaces, and those of installed packages."""
    from latkit.spaces import SPACES

    rows: list[dict[str, Any]] = []
    for name, factory in SPACES.items().items():
        space = factory()
        rows.append(
            {
                "name": name,
                "choices": len(space.choices),
                "networks": space.size,
                "input": "x".join(map(str, space.input_shape)),
                "parameters": ", ".join(factory.parameters),
            }
        )
    if as_json:
        emit_json({"spaces": rows})
    else:
        show_table("spaces", [{**row, "networks": size_text(row["networks"])} for row in rows])
        say("a space of your own is a TOML file: latkit space show my-space.toml")


@app.command()
def show(
    space: SpaceArgument,
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Show a space: its choices, the distinct ops to measure, and how long their collection takes."""
    from latkit.cli.parsing import space_named
    from latkit.timing import TimingPlan

    found = space_named(space, resolution, width, classes, channels)
    ops, plan = found.ops(), TimingPlan()
    seconds = (len(ops) + 1 + CALIBRATION_NETWORKS) * plan.rounds * plan.round_s
    kinds = {kind: sum(op.kind == kind for op in ops) for kind in sorted({op.kind for op in ops})}
    if as_json:
        document = {
            "name": found.name,
            "choices": {choice.name: list(choice.options) for choice in found.choices},
            "networks": found.size,
            "input_shape": list(found.input_shape),
            "output_shape": list(found.output_shape),
            "ops": kinds,
            "collecting_seconds": seconds,
        }
        emit_json(document)
        return
    facts = {
        "input": "x".join(map(str, found.input_shape)),
        "choices": f"{len(found.choices)}, of {counts_text([len(choice.options) for choice in found.choices])} options",
        "networks": size_text(found.size),
        "ops to measure": f"{len(ops)}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()),
        "collecting takes": f"at most about {seconds / 60:.1f} minutes a target, with {CALIBRATION_NETWORKS} networks; "
        "less if the ops are short",
    }
    show_facts(f"space {found.name}", facts)


def size_text(size: int) -> str:
    """`15,625`, or `1.2e+17`."""
    digits = str(size)
    return f"{size:,}" if len(digits) <= MAX_SHOWN_DIGITS else f"{digits[0]}.{digits[1]}e+{len(digits) - 1}"


def counts_text(counts: Sequence[int]) -> str:
    """`7`, or `2 to 7`."""
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
