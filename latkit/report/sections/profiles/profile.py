"""A model file's profile on the page: latencies, ops, and where the time goes."""

from __future__ import annotations

from latkit._io.moments import moment_written
from latkit.evaluation.op_summary import bottleneck, short_name
from latkit.profiling.profile import Energy, Paced, Profile
from latkit.report.figures.op_table import Value, sortable_table
from latkit.report.figures.profile_figures import pacing_curve, timeline, treemap
from latkit.report.formatting import ABSENT, EMULATED, count, digits, millions, percent, shape_text
from latkit.report.html import Html, card, cards, details, facts, join, notice, paragraph, section, table, tiles

MAX_NAME_CHARS = 80


def profile_sections(profile: Profile, level: int = 2) -> Html:
    """Everything about one model on one target."""
    parts = [
        notice(EMULATED) if profile.emulated else Html(),
        tiles(headline(profile)),
        *(notice(f"{name}: {text}") for name, text in profile.flags.items()),
        *(notice(text) for text in profile.notes),
        section("Latency", _latencies(profile), level=level),
        section("Where the time goes", _where(profile), level=level),
        section("The model and its setup", _setup(profile), level=level),
    ]
    return join(parts)


def milliseconds(value: float | None) -> str:
    """`1.41 ms`."""
    return ABSENT if value is None else f"{digits(value)} ms"


def _known(value: float | None) -> str | None:
    return None if value is None else milliseconds(value)


def mebibytes(value: int | None) -> str | None:
    """`64 MiB`; None stays None."""
    return None if value is None else f"{digits(value / 2**20)} MiB"


def headline(profile: Profile) -> dict[str, object]:
    """The most important figures, by name; None if there is none."""
    return {
        "median latency, back to back": milliseconds(profile.latency_ms.p50),
        "99 % of runs are faster than": milliseconds(profile.latency_ms.p99),
        "estimated on the idle device": _known(profile.latency_ms.estimate),
        "median when paced": milliseconds(profile.paced.latency_ms.p50) if profile.paced else None,
        "examples per second": digits(profile.throughput_per_s),
        "to load the model": _known(profile.load_ms),
        "first run": _known(profile.first_run_ms),
        "peak memory": mebibytes(profile.peak_memory_bytes),
    }


def _latencies(profile: Profile) -> Html:
    hot = profile.latency_ms
    rows = [_latency_row("hot (back to back)", Paced(interval_ms=0.0, latency_ms=hot))]
    rows += [_latency_row(f"every {digits(paced.interval_ms)} ms", paced) for paced in profile.pacing]
    columns = ("runs", "median", "fastest", "90 %", "99 %", "mean", "number", "beside hot", "began late")
    remarks = []
    if hot.mean_low is not None and hot.mean_high is not None:
        bounds = f"{milliseconds(hot.mean_low)} to {milliseconds(hot.mean_high)}"
        remarks.append(f"The mean of the hot runs lies between {bounds} (90 % interval over {hot.rounds} rounds).")
    if hot.estimate is not None and hot.low is not None and hot.high is not None:
        remarks.append(
            f"On the idle device, a run would take {milliseconds(hot.estimate)} ({milliseconds(hot.low)} to "
            f"{milliseconds(hot.high)}), by the reference network timed in alternation."
        )
    if profile.prediction is not None:
        found = profile.prediction
        bounds = f" ({milliseconds(found.low_ms)} to {milliseconds(found.high_ms)})" if found.low_ms is not None else ""
        remarks.append(f"The latency model of {found.model} predicts {milliseconds(found.ms)}{bounds}.")
    curve = [card("Latency by the interval between runs", pacing_curve(profile))] if profile.pacing else []
    return join([table(columns, rows), *(paragraph(text) for text in remarks), *curve])


def _latency_row(name: str, paced: Paced) -> tuple[object, ...]:
    found = paced.latency_ms
    ratio = ABSENT if paced.hot_ratio is None else f"{paced.hot_ratio:.2f} ×"
    late = f"{paced.missed} of {found.runs}" if paced.interval_ms else ABSENT
    times = (found.p50, found.min, found.p90, found.p99, found.mean)
    return (name, *map(milliseconds, times), found.runs, ratio, late)


def _where(profile: Profile) -> Html:
    if not profile.ops:
        return notice("No times of ops: the profiler was not requested, or the runtime has none.")
    parts = [paragraph(" ".join(bottleneck(profile)))]
    parts.append(card("Time by kind and op", treemap(profile)))
    parts.append(card("One run, op by op", timeline(profile)))
    parts.append(op_table(profile))
    if profile.fallbacks:
        rows = [(fallback.name, fallback.kind, fallback.placement) for fallback in profile.fallbacks]
        fell = f"{count(len(rows), 'node')} that fell back"
        parts.append(details(fell, table(("node", "kind", "ran on"), rows, text_columns=3)))
    if profile.profiler is not None:
        found = profile.profiler
        parts.append(
            paragraph(
                f"Op times are shares of {count(found.runs, 'run')} with {found.name}'s profiler, scaled to the median "
                f"of the runs without it. A profiled run takes {found.slowdown:.2f} times as long; its ops sum to "
                f"{percent(found.op_sum_percent)} of it."
            )
        )
    return join(parts)


def op_table(profile: Profile) -> Html:
    """Every op in the order of execution; sorts and filters."""
    placed = ("ran on",) if len({op.placement for op in profile.ops}) > 1 else ()
    columns = ("#", "op", "kind", *placed, "time", "share", "M MACs", "GMAC/s", "GB/s", "bound", "of peak", "output")
    rows: list[list[Value]] = [
        [
            (number, number),
            (short_name(op.title, MAX_NAME_CHARS), None),
            (op.kind, None),
            *((op.placement, None) for _ in placed),
            (milliseconds(op.ms), op.ms),
            (percent(op.share_percent), op.share_percent),
            _number(None if op.macs is None else op.macs / 1e6),
            _number(op.gmacs_per_s),
            _number(op.gbytes_per_s),
            (op.bound or ABSENT, None),
            (percent(op.peak_percent), op.peak_percent),
            (", ".join(map(shape_text, op.output_shapes)), None),
        ]
        for number, op in enumerate(profile.ops, start=1)
    ]
    return sortable_table(columns, rows, "ops", total=columns.index("share"))


def _number(value: float | None) -> Value:
    return (ABSENT if value is None else digits(value), value)


def _setup(profile: Profile) -> Html:
    inputs = [f"{tensor.name}: {tensor.type} {shape_text(tensor.shape)}" for tensor in profile.model_file.inputs]
    peaks = profile.peaks
    file_facts = {
        "file": profile.model,
        "SHA-256": profile.sha256,
        "size": mebibytes(profile.file_bytes),
        "inputs": "; ".join(inputs),
        "parameters": None if profile.parameters is None else millions(profile.parameters),
        "MACs": None if profile.macs is None else millions(profile.macs),
    }
    run_facts = {
        "target": profile.target,
        "runtime": profile.runtime,
        "delegate": profile.delegate or None,
        "threads": profile.threads,
        "batch": profile.batch,
        "cores": profile.cores,
        "agent": profile.agent,
        "profiled": moment_written(profile.created_at),
        "memory of the model": mebibytes(profile.model_memory_bytes),
        "arena": mebibytes(profile.arena_bytes),
        "peak rates": f"{digits(peaks.gmacs_per_s)} GMAC/s, {digits(peaks.gbytes_per_s)} GB/s" if peaks else None,
        "energy": _energy(profile.energy) if profile.energy else None,
    }
    return cards(facts(file_facts), facts(run_facts), class_="pair")


def _energy(energy: Energy) -> str:
    """Energy per run with its sensor, and how finely that counts."""
    steps = energy.resolution_joules
    fineness = "" if steps is None else f", in steps of {digits(1e3 * steps)} mJ"
    return f"{digits(1e3 * energy.joules_per_run)} mJ per run, by {energy.sensor}{fineness}"
