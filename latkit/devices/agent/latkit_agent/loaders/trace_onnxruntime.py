"""The profile of onnxruntime: its own trace, run by run."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator  # noqa: UP035 - Python 3.8 runs this

from ..models import Loaded
from ..op_profile import MAX_OP_NAME_CHARS, OpTable, profiled_runs, used_runs
from ..requests import Fields

MAX_TRACED_TENSORS = 16
NESTING = ("If", "Loop", "Scan", "SequenceMap")
"""Operators with nodes inside them, whose times they contain."""


def profile_onnxruntime(session: Any, model: Loaded, runs: int, seconds: float) -> Fields:
    """Profile by onnxruntime's own trace, which is removed. Its first runs, before these, are not counted."""
    model.run()
    made = profiled_runs(model.run, runs, seconds, lambda: None, lambda: None)
    used = used_runs(made)
    trace = session.end_profiling()
    model.profile = None  # its trace has ended
    try:
        table, arena_bytes = OpTable(), 0
        with open(trace, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            traced = split_runs(file)[-len(made) :]
        for place in used:
            for event in exclusive(traced[place]):
                arguments = event["args"]
                key = arguments.get("node_index"), event["name"], arguments.get("op_name")
                table.add(key, onnxruntime_op(event), event["own_us"] * 1000)
                arena_bytes = max(arena_bytes, int(arguments.get("mem_arena_held", 0)))
    finally:
        os.remove(trace)  # noqa: PTH107
    model.ops = list(table.ops.values())
    wall_ns = [made[place][0] for place in used]
    return {"profiler": "onnxruntime", "wall_ns": wall_ns, "arena_bytes": arena_bytes, "exact": True}


def split_runs(lines: Iterator[str]) -> list[list[Fields]]:
    """The node events of each run in a trace: one event per line; a run ends with an event of its own."""
    found: list[list[Fields]] = [[]]
    for line in lines:
        try:
            event = json.loads(line.strip().rstrip(","))
        except ValueError:
            continue  # the brackets around all events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found[-1].append(event)
        elif event.get("name") == "model_run":
            found.append([])
    return found[:-1]


def exclusive(events: list[Fields]) -> list[Fields]:
    """The events of a run with `own_us`, their time without that of nodes inside them, as a loop has.

    An event is written when it ends, so those inside it come before it.
    """
    stack: list[Fields] = []
    for event in events:
        event["own_us"] = event["dur"]
        while stack and stack[-1]["ts"] >= event["ts"] and event["dur"] > 0 and event["args"].get("op_name") in NESTING:
            event["own_us"] = max(event["own_us"] - stack.pop()["dur"], 0)
        stack.append(event)
    return events


def onnxruntime_op(event: Fields) -> Fields:
    """An op as it is reported."""
    arguments = event["args"]
    return {
        "name": event["name"][: -len("_kernel_time")][:MAX_OP_NAME_CHARS],
        "kind": str(arguments.get("op_name", ""))[:MAX_OP_NAME_CHARS],
        "placement": str(arguments.get("provider", ""))[:MAX_OP_NAME_CHARS],
        "inputs": traced_tensors(arguments.get("input_type_shape")),
        "outputs": traced_tensors(arguments.get("output_type_shape")),
    }


def traced_tensors(entries: Any) -> list[list[Any]]:
    """Element type and shape of every tensor of an op, from a trace."""
    pairs = [pair for entry in entries or [] if isinstance(entry, dict) for pair in entry.items()]
    return [[kind, shape] for kind, shape in pairs[:MAX_TRACED_TENSORS] if isinstance(shape, list)]
