"""The times of ops that `benchmark_model` prints with `--enable_op_profiling=true`, and what loading took.

Its table `Run Order` has a row for every op of the timed runs: type, milliseconds of a call, calls in a run, and a name
that ends in the node's number. Kernels of XNNPACK are rows of their own; a GPU or NNAPI delegate is one row for all of
its nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from latkit._io import printable
from latkit.devices.android.benchmark_model_output import MAX_LINE_CHARS, TOOL, delegate_name, last_lines
from latkit.devices.sessions.answers import MAX_OPS, ProfiledOp
from latkit.errors import DeviceError
from latkit.runtimes.tflite import TFLITE

OF_RUNS = "Operator-wise Profiling Info for Regular Benchmark Runs"
"""Heads the tables of the timed runs; those of the initialization come before."""
TABLE, NEXT_TABLE = "= Run Order =", "= Top by Computation Time ="
KERNEL_OF_DELEGATE = "Delegate/"
"""Begins the names of kernels that a delegate reports."""
MAX_NAME_CHARS = 200
MAX_MS = 1e9

_NODE = re.compile(r":(\d{1,7})$")
_INITIALIZED = re.compile(r"Initialized session in (\d{1,12}(?:\.\d{1,12})?)ms")


def read_ops(output: str, delegates: Sequence[str], runs: int) -> list[ProfiledOp]:
    """The ops summed over that many runs, in the order of execution. Raises DeviceError without a table of them.

    `delegates`: latkit's names of those that compute something; kernels belong to the first.
    """
    _, found, tables = output.partition(OF_RUNS)
    table = tables.partition(TABLE)[2].partition(NEXT_TABLE)[0]
    ops = list(_rows(table, delegates[0] if delegates else "cpu", runs))
    if not found or not ops:
        raise DeviceError(f"expected {TOOL} to print the times of its ops, but found {last_lines(output)}")
    if len(ops) > MAX_OPS:
        raise DeviceError(f"expected {TOOL} to print at most {MAX_OPS} ops, but found {len(ops)}")
    return ops


def read_load_s(output: str) -> float | None:
    """Seconds until the model could be run; None where the tool does not say."""
    match = _INITIALIZED.search(output)
    return float(match[1]) / 1e3 if match else None


def _rows(table: str, delegate: str, runs: int) -> Iterator[ProfiledOp]:
    """Rows of type, start (in earlier releases), first and mean time, two percentages, kB, calls and name."""
    has_start = "[start]" in table
    for line in table.splitlines():
        fields = line[:MAX_LINE_CHARS].split()
        place = next((number for number, word in enumerate(fields) if word.endswith("%") and number > 2), None)
        before = 3 if has_start else 2
        if place is None or place <= before or len(fields) < place + 4:
            continue
        numbers = [_number(fields[place - 1]), _number(fields[place + 3])]
        if None in numbers:
            continue
        per_call_ms, calls = numbers
        kind, name = " ".join(fields[: place - before]), " ".join(fields[place + 4 :])
        total_ns = round(1e6 * (per_call_ms or 0.0) * (calls or 1.0) * runs)
        if calls is not None and calls >= 1:
            yield _op(printable(kind), printable(name), delegate, (round(calls) * runs, total_ns))


def _op(kind: str, name: str, delegate: str, totals: tuple[int, int]) -> ProfiledOp:
    node = _NODE.search(name)
    placement = TFLITE.interpreter
    if name.startswith(KERNEL_OF_DELEGATE):
        placement = delegate
    elif "delegate" in kind.lower():
        placement = delegate_name(kind)
    return ProfiledOp(
        name=node[1] if node and placement == TFLITE.interpreter else name[:MAX_NAME_CHARS] or kind[:MAX_NAME_CHARS],
        kind=kind[:MAX_NAME_CHARS],
        placement=placement[:MAX_NAME_CHARS],
        calls=totals[0],
        total_ns=totals[1],
    )


def _number(word: str) -> float | None:
    if not re.fullmatch(r"\d{1,12}(?:\.\d{1,12})?", word):
        return None
    value = float(word)
    return value if value <= MAX_MS else None
