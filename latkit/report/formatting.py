"""Numbers and times, formatted for readers."""

from __future__ import annotations

import math

from latkit.ops import Network, Op, Shape

ABSENT = "–"
EMULATED = "Emulated: measured on an emulator. These latencies show that all works, and are no phone's."


def marked(name: object, emulated: bool) -> str:
    """A name, marked as emulated if it is: every emulated latency carries the mark."""
    return f"{name} (emulated)" if emulated else str(name)


def unit_for(seconds: float) -> tuple[str, float]:
    """The unit that suits a number of seconds, and how many of it make a second."""
    units = (("s", 1.0), ("ms", 1e3), ("µs", 1e6))
    return next((one for one in units if abs(seconds) * one[1] >= 1), units[-1])


def latency(seconds: float, count: int = 3) -> str:
    """Seconds in a suitable unit, with `count` digits."""
    unit, per_second = unit_for(seconds)
    return f"{digits(seconds * per_second, count)} {unit}"


def digits(value: float, count: int = 3) -> str:
    """A number with `count` digits, never as a power of ten."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return ABSENT
    places = count - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(max(places, 0), 9)}f}"


def percent(value: float | None, signed: bool = False) -> str:
    """A percentage with two digits after the point below ten, and one above."""
    if value is None:
        return ABSENT
    places = 2 if abs(value) < 10 else 1
    shown = f"{value:+.{places}f} %" if signed else f"{value:.{places}f} %"
    return shown.replace("-", "−")


def share(value: float | None) -> str:
    """A share from 0 to 1 as a percentage with one digit after the point."""
    return ABSENT if value is None else f"{100 * value:.1f} %"


def count(number: int, noun: str) -> str:
    """`1 network`, `2 networks`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def millions(number: int) -> str:
    """A count, in millions if it is large."""
    return f"{number:,}" if number < 100_000 else f"{digits(number / 1e6)} M"


def shape_text(shape: Shape) -> str:
    """`24×56×56`."""
    return "×".join(map(str, shape))


def short(op: Op) -> str:
    """The op's variant, such as `k5e6`; the kind of an op without variants."""
    return op.definition.drawing(op).short


def composition(network: Network) -> str:
    """A network's ops in short form; a bar wherever the shape changes."""
    parts = [short(network.ops[0])]
    for before, op in zip(network.ops, network.ops[1:], strict=False):
        parts += ["|", short(op)] if op.output_shape != before.output_shape else [short(op)]
    return " ".join(parts)
