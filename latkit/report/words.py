"""Numbers and moments as a reader wants to see them."""

from __future__ import annotations

from datetime import UTC, datetime

from latkit.ops import Network, Op, Shape

ABSENT = "–"


def latency(seconds: float) -> str:
    """Seconds with three digits, in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds / 1e-6)} µs"


def milliseconds(value: float) -> str:
    """Milliseconds as they are, with three digits."""
    return f"{digits(value)} ms"


def digits(value: float, count: int = 3) -> str:
    """A number with so many digits and never in powers of ten, where that is possible."""
    shown = f"{value:.{count}g}"
    return f"{value:,.0f}" if "e+" in shown or abs(value) >= 10**count else shown


def percent(value: float | None, signed: bool = False) -> str:
    """A percentage with two digits after the point below ten, and one above."""
    if value is None:
        return ABSENT
    places = 2 if abs(value) < 10 else 1
    return f"{value:+.{places}f} %" if signed else f"{value:.{places}f} %"


def count(number: int, noun: str) -> str:
    """`1 network`, `2 networks`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def millions(number: int) -> str:
    """A large count."""
    return f"{digits(number / 1e6)} M"


def moment(seconds: float) -> str:
    """Seconds since 1970 as a date and a time of day."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def shape_words(shape: Shape) -> str:
    """`24×56×56`."""
    return "×".join(map(str, shape))


def short(op: Op) -> str:
    """`k5e6` for an mbconv, the kind of any other op."""
    return f"k{op['kernel']}e{op['expansion']}" if op.kind == "mbconv" else op.kind


def composition(network: Network) -> str:
    """A network's ops in short; a bar wherever the shape changes."""
    words = [short(network.ops[0])]
    for before, op in zip(network.ops, network.ops[1:], strict=False):
        words += ["|", short(op)] if op.output_shape != before.output_shape else [short(op)]
    return " ".join(words)
