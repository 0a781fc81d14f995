"""A search by a strategy: the best so far, the front, and the lineage of what was found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go

from latkit.errors import BadFile
from latkit.report.figures.figures import BLUE, GRAY, ORANGE, axis, embed, layout
from latkit.report.html import Html, card, facts, join, notice, paragraph, section, table, tiles
from latkit.search.goals import Goals
from latkit.search.history import Entry, read_entries
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.search.records.strategy import HISTORY_FILE, STRATEGY_FILE, StrategyRecord
from latkit.spaces import Space, load_saved
from latkit.spaces.base import Architecture

MAX_ENTRIES = 20_000
"""Verdicts that a page draws."""
MAX_ANCESTORS = 100
MAX_CHANGES = 3
"""Changed choices that a line names."""


@dataclass(frozen=True)
class StrategyFacts:
    """What a search by a strategy saved."""

    record: StrategyRecord
    entries: tuple[Entry, ...]
    space: Space | None = None
    """None where it cannot be read: architectures are then shown as numbers."""

    @property
    def goals(self) -> Goals:
        """Of its plan."""
        return self.record.plan.parsed_goals()


def read_strategy(folder: Path) -> StrategyFacts | None:
    """The strategy of a search's folder; None where it has none. Raises BadFile."""
    path = folder / STRATEGY_FILE
    if not path.exists():
        return None
    record = load_record(StrategyRecord, path)
    entries = read_entries(folder / HISTORY_FILE, min(record.asked, MAX_ENTRIES))
    return StrategyFacts(record, entries, _space(folder / FILES["space"]))


def _space(path: Path) -> Space | None:
    try:
        return load_saved(path) if path.exists() else None
    except BadFile:
        return None


def strategy_sections(known: StrategyFacts, level: int = 2) -> Html:
    """Everything known of the strategy's course."""
    parts = [section("The strategy", _facts(known.record), level=level)]
    if known.record.best is not None and known.space is not None:
        parts.append(
            section("The best architecture", _options(known.space, known.record.best.architecture), level=level)
        )
    parts.append(section("Best so far", _course(known), level=level))
    if known.goals.is_front:
        parts.append(section("Front", _front(known), level=level))
    parts.append(section("Lineage", _lineage(known), level=level))
    return join(parts)


def strategy_lede(record: StrategyRecord) -> str:
    """What the page shows, in one sentence."""
    shown = "the best so far, the front" if record.plan.parsed_goals().is_front else "the best so far"
    return f"{record.plan.strategy} on {record.space}: {shown}, and the lineage of what was found."


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
            "architectures proposed": record.asked,
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
        marker, line = {"color": color, "size": 6}, {"shape": "vh" if other.maximize else "hv"}
        figure.add_scatter(x=xs, y=ys, mode=mode, name=name, marker=marker, line=line)
    figure.update_layout(layout(300, xaxis=axis(other.quantity), yaxis=axis(one.quantity)))
    names = [goal.quantity for goal in known.goals.goals]
    found = sorted(known.record.front, key=lambda each: each.quantities[other.quantity])
    lines = [(" ".join(map(str, each.architecture)), *(f"{each.quantities[n]:.6g}" for n in names)) for each in found]
    return join([card(f"{one} and {other}", embed(figure)), table(("architecture", *names), lines)])


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
        found = entry.verdict.quantities
        values = [f"{found[name]:.6g}" if name in found else "" for name in quantities]
        text = _changes(known.space, parent.architecture, entry.architecture) if parent else "drawn"
        rows.append((str(entry.number), " ".join(map(str, entry.architecture)), text, *values))
        entry = parent if parent is None or parent.number < entry.number else None
    intro = "From the best architecture back to the draw that it descends from."
    if len(rows) == 1:
        intro = "The best architecture was drawn, or its strategy keeps no lineage, as model-based ones do."
    return join([paragraph(intro), table(("verdict", "architecture", "changed", *quantities), rows, text_columns=3)])


def _options(space: Space, architecture: Architecture) -> Html:
    """The option of every choice that counts."""
    active = space.active(architecture)
    rows = [
        (choice.name, choice.options[option])
        for choice, option, is_active in zip(space.choices, architecture, active, strict=True)
        if is_active
    ]
    return table(("choice", "option"), rows, text_columns=2)


def _changes(space: Space | None, before: Architecture, after: Architecture) -> str:
    """The choices that differ, and how; a canonical form may change several."""
    changed = [at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if space is None:
        return f"choices {', '.join(map(str, changed))}"
    named = ((space.choices[at], before[at], after[at]) for at in changed[:MAX_CHANGES])
    texts = [f"{choice.name}: {choice.options[one]} → {choice.options[other]}" for choice, one, other in named]
    more = [f"and {len(changed) - MAX_CHANGES} more"] if len(changed) > MAX_CHANGES else []
    return ", ".join([*texts, *more])
