"""Parses the output of Google's `benchmark_model`: its runs, and how many nodes each delegate took.

The tool does not list its runs, but prints a line about each phase: the warm-up, then the timed runs. Three timed runs
can be reconstructed from that line, so latkit requests three at a time and infers none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from latkit._io import printable
from latkit.errors import DeviceError

TOOL = "benchmark_model"
RUNS = 3
"""Timed runs of one start of the tool: the most that can be reconstructed from its line."""
PRINTED = 1e-5
"""The tool prints a mean with six digits, so that its relative error is below this."""
LAST_LINES = 5

MAX_OUTPUT_CHARS = 2**20
"""Only the end of the output is read: the relevant lines are the last, and the tool prints some kilobytes."""
MAX_LINE_CHARS = 2000
MAX_DELEGATES = 16
MAX_US = 10**12
"""About twelve days: no run of the tool takes as long."""

_MICROSECONDS = r"\d{1,13}(?!\d)"
_MEAN = r"\d{1,13}(?:\.\d{1,18})?(?:e[+-]?\d{1,2})?(?![\d.e])"
_PHASE = re.compile(
    rf"\bcount=(?P<count>\d{{1,9}}(?!\d))(?: first=(?P<first>{_MICROSECONDS}))? curr=(?P<last>{_MICROSECONDS})"
    rf"(?: min=(?P<min_us>{_MICROSECONDS}) max=(?P<max_us>{_MICROSECONDS}) avg=(?P<mean>{_MEAN}))?"
)
_NAME = r"(\w{1,64})"
_NODES = r"(\d{1,9})"
_REPLACING = re.compile(rf"Replacing {_NODES}(?: out of {_NODES})? node\(s\) with delegate \({_NAME}\)")
_TAKEN = re.compile(rf"\b{_NAME} delegate: {_NODES} nodes delegated out of {_NODES} nodes")
_APPLIED = re.compile(
    rf"Explicitly applied {_NAME} delegate, and the model graph will be (?:complete|partial)ly executed"
)
_NOT_USED = re.compile(rf"Though {_NAME} delegate is explicitly applied, the model graph will not be executed")
_BY_DEFAULT = re.compile(r"Created TensorFlow Lite (XNNPACK) delegate for CPU")
_UNKNOWN = re.compile(r"Unconsumed cmdline flags|Unknown flag|unrecognized", re.IGNORECASE)
_COMPLAINT = re.compile(
    r"delegate.*(?:fail|not |unable|unsupported)|(?:fail|not |unable).*delegate", re.IGNORECASE | re.DOTALL
)
_DELEGATE_PATTERNS = {
    "gpu": r"gpu|litert_(cl|gl|webgpu|metal)",
    "hexagon": "hexagon",
    "nnapi": "nnapi",
    "xnnpack": "xnnpack",
}
"""latkit's names of delegates, and how each appears in the tool's names."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The tool's line about consecutive runs; all times in microseconds, the tool's resolution."""

    count: int
    first: int
    last: int
    min_us: int
    max_us: int
    mean: float

    @property
    def total_ns(self) -> int:
        """Time of all of its runs."""
        return round(1000 * self.count * self.mean)

    def each_us(self) -> tuple[int, ...]:
        """Every run, in the order they were made. Raises DeviceError for more than RUNS, or inconsistent figures.

        The middle one of three is the shortest or the longest, unless those were the first and the last: then it
        follows from the mean.
        """
        if not 1 <= self.count <= RUNS:
            raise DeviceError(f"expected {TOOL} to make at most {RUNS} timed runs, but found {self.count}")
        if self.count < RUNS:
            return (self.first, self.last)[: self.count]
        extremes = {self.min_us, self.max_us} - {self.first, self.last}
        left_over = round(RUNS * self.mean) - self.first - self.last
        middle = extremes.pop() if extremes else min(max(left_over, self.min_us), self.max_us)
        runs = (self.first, middle, self.last)
        if extremes or abs(sum(runs) / RUNS - self.mean) > PRINTED * self.mean + 0.5:
            raise DeviceError(f"expected {TOOL}'s figures to be those of {RUNS} runs, but found {self}")
        return runs


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a network that a delegate took; None if the tool did not report it."""

    nodes: int | None = None
    of: int | None = None

    def __str__(self) -> str:
        if self.nodes is None:
            return ""
        return f" {self.nodes}/{self.of} nodes" if self.of else f" {self.nodes} nodes"


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one start of the tool."""

    warm_up: Phase
    timed: Phase
    delegates: Mapping[str, Share]
    """latkit's names of the delegates that compute something, in the order in which the tool names them."""
    output: str = field(default="", repr=False)
    """All that it printed, within bounds."""

    @property
    def inference_ns(self) -> int:
        """Time of all runs, including warm-up runs."""
        return self.warm_up.total_ns + self.timed.total_ns

    @property
    def computed_by(self) -> str:
        """Such as `gpu 61/63 nodes, xnnpack 2/3 nodes`; `cpu` if no delegate is named."""
        return ", ".join(f"{word}{share}" for word, share in self.delegates.items()) or "cpu"


def read_report(output: str) -> Report:
    """Parse the tool's output. Raises DeviceError with its last lines if the two phases are missing."""
    phases = [_phase(match) for match in _PHASE.finditer(output)]
    if any(max(phase.first, phase.last, phase.min_us, phase.max_us, phase.mean) > MAX_US for phase in phases[-2:]):
        raise DeviceError(f"expected {TOOL} to tell of runs of at most {MAX_US} µs, but found {last_lines(output)}")
    if len(phases) < 2:
        raise DeviceError(
            f"expected {TOOL} to print a line `count=… curr=…` for its warm-up and one for its timed runs, "
            f"but found {last_lines(output)}"
        )
    return Report(phases[-2], phases[-1], read_delegates(output), output)


def read_delegates(output: str) -> dict[str, Share]:
    """The delegates that compute something, by latkit's names, with the part that each took."""
    found: dict[str, Share] = {}
    for name, nodes, of in _TAKEN.findall(output):
        found.setdefault(delegate_name(name), Share(int(nodes), int(of)))
    for nodes, of, name in _REPLACING.findall(output):
        found.setdefault(delegate_name(name), Share(int(nodes), int(of) if of else None))
    for name in (*_APPLIED.findall(output), *_BY_DEFAULT.findall(output)):
        found.setdefault(delegate_name(name), Share())
    if len(found) > MAX_DELEGATES:
        raise DeviceError(f"expected {TOOL} to name at most {MAX_DELEGATES} delegates, but found {len(found)}")
    unused = {delegate_name(name) for name in _NOT_USED.findall(output)}
    return {word: share for word, share in found.items() if share.nodes != 0 and word not in unused}


def unknown_flags(output: str) -> str:
    """The tool's lines about unknown flags; newer builds warn about them, and continue without them."""
    return " ".join(line for line in _lines(output) if _UNKNOWN.search(line))[:MAX_LINE_CHARS]


def complaints(output: str) -> str:
    """The last lines in which the tool complains about a delegate; empty if there are none."""
    return last_lines("\n".join(line for line in _lines(output) if _COMPLAINT.search(line)), otherwise="")


def last_lines(output: str, otherwise: str = "nothing") -> str:
    """The last lines of an output, for a message to a person."""
    return " | ".join(_lines(output)[-LAST_LINES:])[-800:] or otherwise


def _lines(output: str) -> list[str]:
    """The lines that are not empty, each truncated to the maximum length."""
    lines = (line[:MAX_LINE_CHARS].strip() for line in output.splitlines())
    return [printable(line) for line in lines if line]


def _phase(match: re.Match[str]) -> Phase:
    """For one run, or runs of the same time, the tool prints `curr` alone."""
    groups = match.groupdict()
    last = int(groups["last"])
    times = {name: int(groups[name] or last) for name in ("first", "min_us", "max_us")}
    return Phase(count=int(groups["count"]), last=last, mean=float(groups["mean"] or last), **times)


def delegate_name(name: str) -> str:
    """latkit's name of a delegate; its own name if there is none."""
    for word, pattern in _DELEGATE_PATTERNS.items():
        if re.search(pattern, name, re.IGNORECASE):
            return word
    return name
