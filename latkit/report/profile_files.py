"""Files for other viewers: a trace for Chrome and Perfetto, and an overlay for Google's Model Explorer."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from latkit._io import write_text
from latkit.evaluation.op_summary import OVERHEAD
from latkit.profiling.profile import Profile

RUN_THREAD = 0
"""Thread of the event that spans a run; placements follow from 1."""

GRADIENT = (("0", "#ffffff"), ("0.25", "#fff0c2"), ("1", "#d55e00"))
"""Colors of Model Explorer's nodes, from the fastest to the slowest."""


def write_trace(profiles: Sequence[Profile], path: str | os.PathLike[str]) -> None:
    """Write profiles as a trace in Chrome's event format, one process for each. Raises WriteError."""
    events = [event for number, profile in enumerate(profiles, start=1) for event in _events(profile, number)]
    remark = "Mean times of ops, scaled to the unprofiled median latency and laid end to end: not one recorded run."
    document = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"note": remark}}
    write_text(path, json.dumps(document) + "\n")


def _events(profile: Profile, process: int) -> list[dict[str, Any]]:
    """The events of one run: itself, every op on the thread of its placement, and the overhead at the end."""
    placements = list(dict.fromkeys(op.placement for op in profile.ops))
    threads = {name: number for number, name in enumerate(placements, start=RUN_THREAD + 1)}
    names = {"run": RUN_THREAD, **threads}
    events: list[dict[str, Any]] = [
        _named("process_name", process, RUN_THREAD, f"{profile.model} on {profile.target}"),
        *(_named("thread_name", process, thread, name) for name, thread in names.items()),
        _complete("run", "run", process, RUN_THREAD, (0.0, profile.latency_ms.p50), _run_facts(profile)),
    ]
    begin_ms = 0.0
    for op in profile.ops:
        facts = op.model_dump(mode="json", exclude={"name", "kind", "ms"}, exclude_none=True)
        span = (begin_ms, op.ms)
        events.append(_complete(op.name, op.kind, process, threads[op.placement], span, facts))
        begin_ms += op.ms
    if profile.overhead_ms:
        events.append(_complete(OVERHEAD, OVERHEAD, process, RUN_THREAD, (begin_ms, profile.overhead_ms), {}))
    return events


def _run_facts(profile: Profile) -> dict[str, object]:
    fields = {"sha256", "runtime", "threads", "batch", "cores", "emulated", "latency_ms", "macs", "flags"}
    return profile.model_dump(mode="json", include=fields, exclude_none=True)


def _named(event: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": event, "pid": process, "tid": thread, "args": {"name": name}}


def _complete(
    name: str, category: str, process: int, thread: int, span: tuple[float, float], facts: dict[str, Any]
) -> dict[str, Any]:
    """An event with a beginning and a length, given in ms and written in microseconds."""
    begin_ms, length_ms = span
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": process,
        "tid": thread,
        "ts": 1e3 * begin_ms,
        "dur": 1e3 * length_ms,
        "args": facts,
    }


def write_overlay(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Write the ops' milliseconds as node data of Model Explorer, by the names of their nodes. Raises WriteError.

    A kernel of several nodes colors the first of them: the time is not divided by a guess.
    """
    results: dict[str, float] = {}
    for op in profile.ops:
        node = op.nodes[0] if op.nodes else op.name
        results[node] = results.get(node, 0.0) + op.ms
    document = {
        "results": {node: {"value": ms} for node, ms in results.items()},
        "gradient": [{"stop": float(stop), "bgColor": color} for stop, color in GRADIENT],
    }
    write_text(path, json.dumps(document, indent=1) + "\n")
