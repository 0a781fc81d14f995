"""Figures of a profile: treemap, timeline, and curves over pacing, threads and batch sizes."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from latkit.evaluation.op_summary import OVERHEAD, by_kind, short_name
from latkit.profiling.profile import Profile
from latkit.report.figures.figures import BLUE, GRAY, GREEN, ORANGE, PINK, RED, SKY, axis, embed, layout, plain
from latkit.report.formatting import digits
from latkit.report.html import Html

COLORS = (BLUE, ORANGE, GREEN, RED, SKY, PINK)
"""Of the slowest kinds; all others are gray."""

MAX_LABEL_CHARS = 24
SMALL_TEXT = {"minsize": 9, "mode": "hide"}
"""Labels that would be smaller than this are left out; the pointer shows them."""


def kind_colors(profile: Profile) -> dict[str, str]:
    """A color for every kind, the slowest first."""
    kinds = [group.name for group in by_kind(profile)]
    return {kind: COLORS[number] if number < len(COLORS) else GRAY for number, kind in enumerate(kinds)}


def treemap(profile: Profile) -> Html:
    """Area is time: kinds, and their ops inside."""
    colors = kind_colors(profile)
    rows = [(f"kind {kind}", "", kind, 0.0, color) for kind, color in colors.items()]
    rows += [
        (f"op {number}", f"kind {op.kind}", op.title, op.ms, colors[op.kind]) for number, op in enumerate(profile.ops)
    ]
    if profile.overhead_ms:
        rows.append(("overhead", "", OVERHEAD, profile.overhead_ms, GRAY))
    ids, parents, labels, values, shades = zip(*rows, strict=True)
    figure = go.Figure(layout=layout(420, margin={"l": 0, "r": 0, "t": 4, "b": 0}, uniformtext=SMALL_TEXT))
    figure.add_treemap(
        ids=ids,
        parents=parents,
        labels=[plain(block_label(label)) for label in labels],
        customdata=[plain(label) for label in labels],
        values=values,
        marker={"colors": shades, "line": {"width": 1, "color": "rgba(255,255,255,.7)"}},
        hovertemplate="%{customdata}<br>%{value:.4g} ms<br>%{percentRoot:.1%}<extra></extra>",
        texttemplate="%{label}<br>%{percentRoot:.1%}",
        pathbar={"visible": True},
        tiling={"pad": 2},
    )
    return embed(figure)


def block_label(name: str) -> str:
    """What tells an op from others, for a small block: `2/…/expand.2` of `/2/body/expand/expand.2/Clip_output_0`."""
    parts = [part for part in name.split("/") if part]
    if len(parts) > 2:
        name = f"{parts[0]}/…/{parts[-2]}" if len(parts) > 3 else f"{parts[0]}/{parts[1]}"
    return short_name(name, MAX_LABEL_CHARS)


def timeline(profile: Profile) -> Html:
    """One run: mean times of the ops laid end to end, one row for each placement."""
    colors, placements = kind_colors(profile), {op.placement for op in profile.ops}
    begins, begin_ms = [], 0.0
    for op in profile.ops:
        begins.append(begin_ms)
        begin_ms += op.ms
    figure = go.Figure(
        layout=layout(
            170 + 30 * len(placements),
            xaxis=axis("ms"),
            yaxis=axis(autorange="reversed", showticklabels=len(placements) > 1),
            barmode="overlay",
            bargap=0.35,
            dragmode="zoom",
        )
    )
    for kind, color in colors.items():
        chosen = [(op, begin) for op, begin in zip(profile.ops, begins, strict=True) if op.kind == kind]
        figure.add_bar(
            orientation="h",
            x=[op.ms for op, _ in chosen],
            base=[begin for _, begin in chosen],
            y=[plain(op.placement) for op, _ in chosen],
            name=plain(kind),
            marker={"color": color, "line": {"width": 0.5, "color": "rgba(255,255,255,.6)"}},
            customdata=[plain(op.title) for op, _ in chosen],
            hovertemplate="%{customdata}<br>%{x:.4g} ms from %{base:.4g} ms<extra></extra>",
        )
    return embed(figure)


def pacing_curve(profile: Profile) -> Html:
    """Median and 99 % latency by the interval between runs; hot runs as a line."""
    intervals = [paced.interval_ms for paced in profile.pacing]
    figure = go.Figure(layout=layout(260, xaxis=axis("interval in ms"), yaxis=axis("ms", rangemode="tozero")))
    for name, values, color in (
        ("median", [paced.latency_ms.p50 for paced in profile.pacing], BLUE),
        ("99 %", [paced.latency_ms.p99 for paced in profile.pacing], GRAY),
    ):
        figure.add_scatter(x=intervals, y=values, mode="lines+markers", name=name, line={"color": color})
    figure.add_hline(y=profile.latency_ms.p50, line={"color": ORANGE, "dash": "dot", "width": 1.5})
    figure.add_scatter(
        x=[None], y=[None], mode="lines", name="median of hot runs", line={"color": ORANGE, "dash": "dot", "width": 1.5}
    )
    return embed(figure)


def sweep_curve(what: str, lines: Sequence[tuple[str, Sequence[tuple[int, float]]]], unit: str) -> Html:
    """One line per model: a figure in `unit` by a setting, such as the number of threads."""
    values = sorted({value for _, points in lines for value, _ in points})
    figure = go.Figure(
        layout=layout(280, xaxis=axis(what, tickvals=values), yaxis=axis(unit, rangemode="tozero"), showlegend=True)
    )
    for number, (name, points) in enumerate(lines):
        figure.add_scatter(
            x=[value for value, _ in points],
            y=[found for _, found in points],
            mode="lines+markers",
            name=plain(name),
            line={"color": COLORS[number % len(COLORS)]},
            hovertemplate=f"%{{x}} {what}: %{{y:.4g}} {unit}<extra></extra>",
        )
    return embed(figure)


def grouped_bars(names: Sequence[str], groups: Sequence[tuple[str, Sequence[float]]]) -> Html:
    """Times by kind of two models, in ms: one bar for each model. `groups`: a kind with its times, slowest first."""
    shown = list(reversed(groups))
    figure = go.Figure(
        layout=layout(120 + 46 * len(shown), xaxis=axis("ms", rangemode="tozero"), yaxis=axis(), barmode="group")
    )
    for number in reversed(range(len(names))):
        times = [times[number] for _, times in shown]
        figure.add_bar(
            orientation="h",
            y=[plain(kind) for kind, _ in shown],
            x=times,
            name=plain(names[number]),
            marker={"color": COLORS[number]},
            text=[digits(value) if value else "" for value in times],
            hovertemplate="%{y}: %{x:.4g} ms<extra></extra>",
        )
    return embed(figure)
