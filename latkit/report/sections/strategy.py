"""A search by a strategy: the best so far, the front, and the lineage of what was found."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import plotly.graph_objects as go

from latkit._io import parse_json, read_bytes, reading
from latkit.report.figures.figures import BLUE, GRAY, ORANGE, axis, embed, layout
from latkit.report.html import Html, card, facts, join, notice, paragraph, section, table, tiles
from latkit.search.goals import Goals
from latkit.search.history import EXPECTED, Entry
from latkit.search.records.base import load_record
from latkit.search.records.strategy import HISTORY_FILE, STRATEGY_FILE, StrategyRecord

MAX_ENTRIES = 20_000
"""Verdicts that a page draws."""
MAX_ANCESTORS = 100


@dataclass(frozen=True)
class StrategyFacts:
    """What a search by a strategy saved."""

    record: StrategyRecord
    entries: tuple[Entry, ...]

    @property
    def goals(self) -> Goals:
        """Of its plan."""
        return self.record.plan.parsed_goals()


def read_strategy(folder: Path) -> StrategyFacts | None:
    """The strategy of a search's folder; None where it has none. Raises BadFile."""
    path = folder / STRATEGY_FILE
    if not path.exists():
        return None
    history = folder / HISTORY_FILE
    with reading(history, EXPECTED):
        lines = islice(read_bytes(history, EXPECTED).split(b"\n")[1:-1], MAX_ENTRIES)
        entries = tuple(Entry.from_json(parse_json(line)) for line in lines)
    return StrategyFacts(load_record(StrategyRecord, path), entries)


def strategy_sections(known: StrategyFacts, level: int = 2) -> Html:
    """Everything known of the strategy's course."""
    parts = [section("The strategy", _facts(known.record), level=level)]
    parts.append(section("Best so far", _course(known), level=level))
    if known.goals.is_front:
        parts.append(section("Front", _front(known), level=level))
    parts.append(section("Lineage", _lineage(known), level=level))
    return join(parts)


def strategy_lede(record: StrategyRecord) -> str:
    """What the page shows, in one sentence."""
    return (
        f"{record.plan.strategy} on {record.space}, judged by {record.evaluator}: the best so far, "
        "the front, and the lineage of what was found."
    )


def strategy_headline(record: StrategyRecord) -> Html:
    """The most important figures."""
    best = record.best
    figures: dict[str, object] = {"evaluations": f"{record.spent.get('evaluations', 0):g}"}
    if best is not None:
        figures |= {name: f"{value:.6g}" for name, value in {**best.quantities, **best.test}.items()}
    warned = [notice(f"{record.failures} evaluations failed.")] if record.failures else []
    if best is None:
        warned.append(notice("Nothing within the bounds was found."))
    return join([tiles(figures), *warned])


def _facts(record: StrategyRecord) -> Html:
    plan = record.plan
    settings = ", ".join(f"{name} {value}" for name, value in plan.settings.items())
    return facts(
        {
            "strategy": plan.strategy,
            "settings": settings or "the strategy's own",
            "seed": plan.seed,
            "goals": ", ".join(plan.goals),
            "evaluator": record.evaluator,
            "space": record.space,
            "architectures asked for": record.asked,
            "spent": ", ".join(f"{name} {value:.6g}" for name, value in record.spent.items()),
            "failed": record.failures,
            "ended by": record.reason,
        }
    )


def _course(known: StrategyFacts) -> Html:
    """The first goal of every verdict within the bounds, and the best up to it."""
    goal, goals = known.goals.goals[0], known.goals
    points: list[tuple[int, float]] = []
    best: list[tuple[int, float]] = []
    leader: Entry | None = None
    spent = 0.0
    for entry in known.entries:
        spent += entry.verdict.cost.get("evaluations", 0)
        if not goals.is_met(entry.verdict):
            continue
        value = entry.verdict.quantities[goal.quantity]
        points.append((round(spent), value))
        if leader is None or goals.rank(entry.verdict) > goals.rank(leader.verdict):
            leader = entry
        best.append((round(spent), leader.verdict.quantities[goal.quantity]))
    if not points:
        return notice("No verdict is within the bounds.")
    figure = go.Figure()
    xs, ys = zip(*points, strict=True)
    figure.add_scatter(x=xs, y=ys, mode="markers", name="evaluated", marker={"color": GRAY, "size": 5})
    xs, ys = zip(*best, strict=True)
    figure.add_scatter(x=xs, y=ys, mode="lines", name="best so far", line={"color": BLUE, "shape": "hv"})
    figure.update_layout(layout(300, xaxis=axis("evaluations"), yaxis=axis(goal.quantity)))
    return card(f"{goal.quantity} by evaluations", embed(figure))


def _front(known: StrategyFacts) -> Html:
    """The first two goals of all verdicts, and those that no other dominates."""
    one, other = known.goals.goals[:2]
    met = [entry.verdict.quantities for entry in known.entries if known.goals.is_met(entry.verdict)]
    front = sorted((each.quantities for each in known.record.front), key=lambda values: values[other.quantity])
    figure = go.Figure()
    for name, rows, color in (
        ("evaluated", met, GRAY),
        ("front", front, ORANGE),
    ):
        xs, ys = [row[other.quantity] for row in rows], [row[one.quantity] for row in rows]
        mode = "lines+markers" if name == "front" else "markers"
        figure.add_scatter(x=xs, y=ys, mode=mode, name=name, marker={"color": color, "size": 6})
    figure.update_layout(layout(300, xaxis=axis(other.quantity), yaxis=axis(one.quantity)))
    return card(f"{one} and {other}", embed(figure))


def _lineage(known: StrategyFacts) -> Html:
    """The best architecture, what it was changed from, and so on to a random draw."""
    best = known.record.best
    if best is None:
        return notice("There is no best architecture.")
    by_architecture = {entry.architecture: entry for entry in known.entries}
    quantities = [goal.quantity for goal in known.goals.goals]
    rows: list[tuple[str, ...]] = []
    entry = by_architecture.get(best.architecture)
    while entry is not None and len(rows) < MAX_ANCESTORS:
        parent = by_architecture.get(entry.parent) if entry.parent is not None else None
        pairs = enumerate(zip(entry.architecture, parent.architecture, strict=True)) if parent else ()
        changed = [at for at, (own, before) in pairs if own != before]
        found = entry.verdict.quantities
        values = [f"{found[name]:.6g}" if name in found else "" for name in quantities]
        text = f"choices {', '.join(map(str, changed))}" if changed else "drawn"
        rows.append((str(entry.number), " ".join(map(str, entry.architecture)), text, *values))
        entry = parent if parent is None or parent.number < entry.number else None
    intro = "From the best architecture back to the draw that it descends from; model-based strategies keep no lineage."
    return join([paragraph(intro), table(("verdict", "architecture", "changed", *quantities), rows, text_columns=3)])
