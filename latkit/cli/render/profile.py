"""A profile on a terminal: facts, latencies, the slowest ops with bars, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from latkit._io import one_line, printable
from latkit.cli.console import Cell, note, say, show_table, stdout
from latkit.evaluation.op_summary import OVERHEAD, bottleneck, by_placement, short_name, slowest
from latkit.evaluation.scaling import sweeps
from latkit.profiling.profile import Energy, LatencyStatistics, OpTime, Profile

SHOWN = 15
"""A terminal shows this many ops, the slowest ones; --json has all of them."""
MIN_NAME_CHARS, MAX_NAME_CHARS, MAX_KIND_CHARS = 14, 36, 12
MARGIN = 8
"""Of a table of ops, and between its first columns."""
BAR_CHARS = 10


def show_profile(profile: Profile) -> None:
    """Everything about one model on one target."""
    say(f"{profile.model} on {profile.target}{' (emulated: this is no phone)' if profile.emulated else ''}")
    for line in (*_facts(profile), "", *_latencies(profile), ""):
        say(line)
    if profile.ops:
        stdout().print(_op_table(profile))
        for sentence in bottleneck(profile):
            say(sentence)
    if profile.profiler is not None:
        found = profile.profiler
        say(
            f"Op times are shares of {found.runs} runs with {found.name}'s profiler, which are {found.slowdown:.2f} "
            f"times as long; the ops sum to {found.op_sum_percent:.0f} % of them."
        )
    for fallback in profile.fallbacks[:SHOWN]:
        note(f"fell back to {fallback.placement}: {fallback.name} ({fallback.kind})")
    if len(profile.fallbacks) > SHOWN:
        note(f"and {len(profile.fallbacks) - SHOWN} more nodes fell back; --json names all of them")
    for remark in (*(f"{name}: {text}" for name, text in profile.flags.items()), *profile.notes):
        note(remark)
    if not profile.complete:
        note("the time ran out; run the same command again to go on")


def show_profiles(profiles: Sequence[Profile]) -> None:
    """Several profiles as a table of models by targets; sweeps over threads and batch sizes have their own."""
    targets = list(dict.fromkeys(profile.target for profile in profiles))
    models = list(dict.fromkeys((profile.model, profile.sha256) for profile in profiles))
    cells = {(profile.model, profile.sha256, profile.target): profile for profile in profiles}
    rows: list[dict[str, Cell]] = [
        {"model": model, **{target: _cell(cells.get((model, sha256, target))) for target in targets}}
        for model, sha256 in models
    ]
    show_table("median latency in ms, and peak memory in MiB", rows)
    for what in ("threads", "batch"):
        rows = _sweep_rows(profiles, what)
        if rows:
            show_table(f"by {what}", rows)


def _cell(profile: Profile | None) -> str:
    if profile is None:
        return "–"
    memory = "" if profile.peak_memory_bytes is None else f" / {profile.peak_memory_bytes / 2**20:.0f}"
    return f"{profile.latency_ms.p50:.4g}{memory}{' (emulated)' if profile.emulated else ''}"


def _sweep_rows(profiles: Sequence[Profile], what: str) -> list[dict[str, Cell]]:
    """One row per profile of a model that was profiled at several values of a setting."""
    return [
        {
            "model": sweep.model,
            what: int(getattr(profile, what)),
            "median_ms": profile.latency_ms.p50,
            "p99_ms": profile.latency_ms.p99,
            "per_second": profile.throughput_per_s,
            "throughput_gain": profile.throughput_per_s / sweep.profiles[0].throughput_per_s,
        }
        for sweep in sweeps(profiles, what)
        for profile in sweep.profiles
    ]


def _facts(profile: Profile) -> Iterator[str]:
    parts = [
        profile.sha256[:12],
        f"{profile.file_bytes / 2**20:.3g} MiB",
        None if profile.macs is None else f"{profile.macs / 1e6:.4g} M MACs",
        None if profile.parameters is None else f"{profile.parameters / 1e6:.4g} M parameters",
    ]
    yield "  " + ", ".join(part for part in parts if part)
    yield f"  inputs {one_line(profile.model_file.inputs_text)}"
    threads = f"{profile.threads} thread{'s' if profile.threads > 1 else ''}"
    yield (
        f"  {profile.runtime}, {profile.delegate or 'no delegate'}, {threads}, batch {profile.batch}, "
        f"{profile.cores if profile.cores == 'unpinned' else f'cores {profile.cores}'}, {profile.agent} agent"
    )


def _latencies(profile: Profile) -> Iterator[str]:
    hot = profile.latency_ms
    yield f"  hot        {_statistics(hot)}"
    if hot.estimate is not None:
        interval = "" if hot.low is None or hot.high is None else f" ({hot.low:.4g} to {hot.high:.4g})"
        yield f"  if idle    {hot.estimate:.4g} ms{interval}, by the reference timed in alternation"
    for paced in profile.pacing:
        late = f", {paced.missed} began late" if paced.missed else ""
        ratio = "" if paced.hot_ratio is None else f", {paced.hot_ratio:.2f} times hot"
        yield f"  every {paced.interval_ms:g} ms  {_statistics(paced.latency_ms)}{ratio}{late}"
    if profile.prediction is not None:
        found = profile.prediction
        interval = (
            "" if found.low_ms is None or found.high_ms is None else f" ({found.low_ms:.4g} to {found.high_ms:.4g})"
        )
        yield f"  predicted  {found.ms:.4g} ms{interval} by the model of {found.model}"
    yield "  " + ", ".join(_costs(profile))


def _costs(profile: Profile) -> Iterator[str]:
    if profile.load_ms is not None:
        yield f"load {profile.load_ms:.4g} ms"
    if profile.first_run_ms is not None:
        yield f"first run {profile.first_run_ms:.4g} ms"
    yield f"{profile.throughput_per_s:.4g} per second"
    if profile.peak_memory_bytes is not None:
        yield f"peak memory {profile.peak_memory_bytes / 2**20:.0f} MiB"
    if profile.model_memory_bytes is not None:
        yield f"of it for the model {profile.model_memory_bytes / 2**20:.1f} MiB"
    if profile.energy is not None:
        yield _energy(profile.energy)


def _statistics(found: LatencyStatistics) -> str:
    mean = f"mean {found.mean:.4g}"
    if found.mean_low is not None and found.mean_high is not None:
        mean += f" ({found.mean_low:.4g} to {found.mean_high:.4g})"
    return (
        f"{found.p50:.4g} ms median, min {found.min:.4g}, p90 {found.p90:.4g}, p99 {found.p99:.4g}, {mean}, "
        f"{found.runs} runs"
    )


def _op_table(profile: Profile) -> Table:
    """The slowest ops, then all others, the overhead and the total in one row each."""
    shown = slowest(profile, SHOWN)
    total_ms, highest_ms = profile.latency_ms.p50, max(op.ms for op in profile.ops) or 1.0
    table = Table(
        title=f"slowest {len(shown)} of {len(profile.ops)} ops", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0)
    )
    with_placement = len(by_placement(profile)) > 1
    figures = [_times(op, highest_ms) for op in shown]
    headings = ("ms", "share", "", "GMAC/s", "bound")
    widths = [max(len(name), 7, *(len(row[number]) for row in figures)) for number, name in enumerate(headings)]
    kinds = min(max(len(op.kind) for op in shown), MAX_KIND_CHARS)
    left = stdout().width - sum(widths) - len(widths) - kinds - (MAX_KIND_CHARS if with_placement else 0) - MARGIN
    chars = min(max(left, MIN_NAME_CHARS), MAX_NAME_CHARS)  # on a narrow terminal, names are cut, not figures
    table.add_column("op", no_wrap=True, overflow="ellipsis", max_width=chars)
    for name in ("kind", *(["ran on"] if with_placement else [])):
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=kinds, max_width=MAX_NAME_CHARS)
    for name, width in zip(headings, widths, strict=True):
        table.add_column(name, justify="right" if name else "left", no_wrap=True, min_width=width)
    for op, row in zip(shown, figures, strict=True):
        table.add_row(
            *_cells([short_name(op.title, chars), op.kind, *([op.placement] if with_placement else []), *row])
        )
    table.add_section()
    others_ms = sum(op.ms for op in profile.ops) - sum(op.ms for op in shown)
    rest = [(f"{len(profile.ops) - len(shown)} other ops", others_ms), (OVERHEAD, profile.overhead_ms or 0.0)]
    for name, ms in [*(row for row in rest if row[1] > 0), ("total", total_ms)]:
        names = [name, "", *([""] if with_placement else [])]
        table.add_row(*_cells([*names, _op_ms(ms), f"{100 * ms / total_ms:.1f} %", "", "", ""]))
    return table


def _times(op: OpTime, highest_ms: float) -> list[str]:
    peak = "" if op.peak_percent is None else f" {op.peak_percent:.0f} %"
    return [
        _op_ms(op.ms),
        f"{op.share_percent:.1f} %",
        _bar(op.ms / highest_ms),
        f"{op.gmacs_per_s:.3g}" if op.gmacs_per_s else "",
        "" if op.bound is None else op.bound + peak,
    ]


def _op_ms(ms: float) -> str:
    """Four decimals below a millisecond: a profiler counts microseconds."""
    return f"{ms:.4g}" if ms >= 1 else f"{ms:.4f}"


def _cells(values: Sequence[str]) -> list[Text]:
    return [Text(printable(one_line(value))) for value in values]


def _bar(share: float) -> str:
    character = "█" if stdout().encoding.lower().startswith("utf") else "#"
    return character * min(round(BAR_CHARS * share), BAR_CHARS)


def _energy(energy: Energy) -> str:
    """Energy per run with its sensor, and how finely that counts."""
    known = [energy.sensor]
    if energy.interval_s is not None:
        known.append(f"over {energy.interval_s:.2g} s")
    if energy.resolution_joules is not None:
        known.append(f"in steps of {1e3 * energy.resolution_joules:.2g} mJ")
    return f"{1e3 * energy.joules_per_run:.4g} mJ per run ({', '.join(known)})"
