"""`latkit strategies`: the search strategies, with one line each."""

from __future__ import annotations

from latkit.cli.console import emit_json, show_table
from latkit.cli.options import AsJson


def strategies(as_json: AsJson = False) -> None:
    """List the search strategies: what each does, and whether it searches a Pareto front."""
    from latkit.search.strategies import STRATEGIES, setting_defaults

    rows = [
        {
            "strategy": name,
            "summary": kind.summary,  # type: ignore[attr-defined]
            "front": kind.handles_front,  # type: ignore[attr-defined]
            "settings": setting_defaults(name),
            "from": STRATEGIES.origin(name),
        }
        for name, kind in STRATEGIES.items().items()
    ]
    if as_json:
        emit_json({"strategies": rows})
        return
    shown = ("strategy", "summary", "front")
    show_table("search strategies", [{name: str(row[name]) for name in shown} for row in rows])


COMMANDS = (strategies,)
