"""Measurements as Parquet, one row per round, with a Markdown card in the same folder that describes them."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from latkit._io import atomic_write, read_text, reading, write_text
from latkit._version import __version__
from latkit.errors import BadFile, UsageError
from latkit.measurements.rows import measurements_from_rows
from latkit.timing import Measurement, estimate, reference_seconds

MADE_BY = "- Made by: `latkit "
"""Begins the line of a card that no other Markdown file has."""


def card_path(path: Path) -> Path:
    """Path of a dataset's card: in the same folder, ending in .md."""
    return path.with_suffix(".md")


def check_replaces_card(path: Path) -> None:
    """Raise UsageError if the card of a dataset at `path` would replace a file that is no card."""
    card = card_path(path)
    if not card.exists() and not card.is_symlink():
        return
    try:
        is_card = MADE_BY in read_text(card, "the card of a dataset")
    except BadFile:
        is_card = False
    if not is_card:
        raise UsageError(
            f"expected to write the card of {path.name} to {card}, but found another file there; it is unchanged: "
            "move it, or export under another name"
        )


def write_parquet(measurements: Sequence[Measurement], path: Path, card: str) -> None:
    """Write measurements and their card, each atomically. Raises UsageError if there are no measurements."""
    if path.suffix != ".parquet":
        raise UsageError(f"expected a file ending in .parquet, but found {path}")
    if not measurements:
        raise UsageError("there is nothing to export: no measurement yet; run latkit collect first")
    from latkit.measurements.frames import RELEASE, to_frame

    with atomic_write(path) as temporary:
        metadata = {RELEASE: __version__}
        to_frame(measurements).write_parquet(temporary, compression="zstd", compression_level=12, metadata=metadata)
    write_text(card_path(path), card)


def read_parquet(path: Path) -> list[Measurement]:
    """Read measurements back. Raises BadFile if the file is corrupt, is not a latkit dataset, or a row
    is not a round.
    """
    from latkit.measurements.frames import EXPECTED, read_frame

    frame = read_frame(path)
    with reading(path, EXPECTED):
        return measurements_from_rows(frame.iter_rows(named=True), path)


def write_card(measurements: Sequence[Measurement], device_lines: Sequence[str], command: Sequence[str]) -> str:
    """The card of a dataset as Markdown: what was measured, where, how, when, and the command that reproduces it."""
    if not measurements:
        raise UsageError("there is nothing to describe: no measurement yet")
    first = measurements[0]
    plan = first.plan
    times = [one_round.started_at for measurement in measurements for one_round in measurement.rounds]
    begun, ended = (
        datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC") for moment in (min(times), max(times))
    )
    runs = sum(len(one_round.wall_ns) for measurement in measurements for one_round in measurement.rounds)
    count = Counter(measurement.workload.workload_kind for measurement in measurements)
    graphs, files = count["graph"], count["model file"]
    environments = sorted({json.dumps(columns) for columns in (_environment_columns(m) for m in measurements)})
    lines = [
        f"# {first.target}",
        "",
        f"- Measured from {begun} to {ended}",
        f"- {count['op']} op measurements, {count['network']} network measurements, "
        f"{f'{graphs} of external networks and their kernels, ' if graphs else ''}"
        f"{f'{files} of model files, ' if files else ''}"
        f"{len(times)} rounds, {runs} timed runs of the workloads; raw samples of every run",
        f"- Timing plan: {plan.rounds} rounds of {plan.round_s} s, at most {plan.round_runs} runs each",
        *device_lines,
        *(
            f"- Environment: {', '.join(f'{name} {value}' for name, value in json.loads(text).items())}"
            for text in environments
        ),
        f"{MADE_BY}{shlex.join(command)}`",
        f"- Reference: {1e6 * reference_seconds(measurements):.1f} µs on the quiet device{_saved_note(measurements)}",
        *_repeatability(measurements),
    ]
    return "\n".join(lines) + "\n"


def _saved_note(measurements: Sequence[Measurement]) -> str:
    return ", kept with the target" if all(m.reference_s is not None for m in measurements) else ""


def _repeatability(measurements: Sequence[Measurement]) -> list[str]:
    """How far two measurements of the same workload differ, if any workload was measured twice."""
    reference_s = reference_seconds(measurements)
    twice: dict[object, list[float]] = {}
    for measurement in measurements:
        identity = measurement.workload, measurement.environment, measurement.plan, measurement.role
        twice.setdefault(identity, []).append(estimate(measurement, reference_s).seconds)
    spreads = [2 * abs(two[0] - two[1]) / (two[0] + two[1]) for two in twice.values() if len(two) > 1]
    if not spreads:
        return ["- Repeatability: nothing here was measured twice"]
    mean_percent = 100 * sum(spreads) / len(spreads)
    return [f"- Repeatability: {mean_percent:.2f} % mean difference of {len(spreads)} subjects measured twice"]


def _environment_columns(measurement: Measurement) -> dict[str, object]:
    environment = measurement.environment
    return {
        **({"device": "emulated"} if environment.emulated else {}),
        "runtime": environment.runtime_version,
        "delegate": environment.delegate,
        "exporter": environment.exporter,
        "opset": environment.opset,
        "affinity": environment.affinity,
        "governor": environment.governor or "unknown",
        "agent": environment.agent,
        "protocol": environment.protocol,
        **({"scale": environment.baseline} if environment.baseline else {}),
    }
