"""`--limit "macs<=20e6"`: which quantity of a network is bounded, and its bound."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Bounds by quantity, as they were written. Raises typer.BadParameter."""
    bounds: dict[str, float] = {}
    for text in texts:
        what, sign, bound_text = text.partition("<=")
        try:
            bound = float(bound_text)
        except ValueError:
            sign = ""
        if not sign or not what.strip():
            raise typer.BadParameter(
                f"expected WHAT<=MOST, for example macs<=20e6, but found {text!r}", param_hint="--limit"
            )
        if what.strip() in bounds:
            raise typer.BadParameter(f"expected one limit on {what.strip()}, but found two", param_hint="--limit")
        bounds[what.strip()] = bound
    return bounds
