"""The scenarios are run, each in a process of its own, and checked for what a terminal would have got."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import click
import typer

from benchmarks.fuzzing.hostile.scenario import Scenario
from benchmarks.fuzzing.hostile.stage import play, prepare
from benchmarks.fuzzing.outcomes import place
from benchmarks.fuzzing.pool import context
from benchmarks.fuzzing.terminal import command, raw_characters
from benchmarks.fuzzing.worker import memory_of
from latkit.cli.console import note
from latkit.errors import BadFile, LatkitError

MAX_SCENARIO_S = 200.0
"""A device may be silent in every one of latkit's waits, the longest of which is 60 s."""
MAX_BYTES = 3 * 2**30
POLL_S = 0.3


@dataclass
class Played:
    """The outcome of a scenario."""

    name: str
    code: int | None = None
    tracebacks: list[str] = field(default_factory=list)
    """Where each came from."""
    raw_characters: int = 0
    failures: list[str] = field(default_factory=list)
    """Other forbidden outcomes: a wrong exit, a wrong kill, a store that can no longer be read."""
    seconds: float = 0.0
    peak_mb: float = 0.0
    """Peak memory above that at the start, in MB."""
    shown: str = ""

    @property
    def failed(self) -> bool:
        """Whether any outcome is forbidden."""
        return bool(self.tracebacks or self.raw_characters or self.failures)

    def summary(self) -> str:
        """One line about what failed."""
        raw = [f"{self.raw_characters} raw control characters"] if self.raw_characters else []
        traces = [f"traceback in {text}" for text in self.tracebacks]
        return f"{self.name}: {'; '.join([*traces, *raw, *self.failures])}"


class Stage:
    """One scenario in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.played = Played("")

    def run(self, *arguments: object) -> int | None:
        """Run a command as `main` would, but without its last exception handler."""
        argv = ["-C", str(self.root), *map(str, arguments)]
        sys.argv = ["latkit", *argv]
        try:
            return int(command().main(argv, prog_name="latkit", standalone_mode=False) or 0)
        except (click.exceptions.Exit, typer.Exit) as ended:
            return int(ended.exit_code)
        except LatkitError as error:
            note(f"error: {error}")
            if isinstance(error, BadFile) and str(self.root / "measurements") in str(error):
                self.played.failures.append(f"a store that cannot be read: {error!s:.200}")
            return error.exit_code
        except click.ClickException as error:
            note(error.format_message())
            return 2
        except BaseException as error:  # noqa: BLE001 - what `main` would make a line of
            self.played.tracebacks.append(f"{arguments[0]}: {place(error)}: {str(error)[:120]!a}")
            traceback.print_exception(error, limit=20)
            return None


def act(scenario: Scenario, root: Path, cache: Path, connection: Connection) -> None:
    """Run a scenario, and report its outcome."""
    shutil.rmtree(root, ignore_errors=True)
    prepare(root)
    os.environ["LATKIT_CACHE"] = str(cache)
    shown = root / "shown"
    with shown.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    stage = Stage(root)
    played, begin = stage.played, time.monotonic()
    played.name = scenario.name
    before = memory_of(os.getpid(), "VmRSS")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    played.code, wrong_kills = play(scenario, root, stage.run)
    played.peak_mb = (memory_of(os.getpid(), "VmHWM") - before) / 1e6
    played.seconds = time.monotonic() - begin
    played.failures += [f"a wrong kill: {text[-120:]}" for text in wrong_kills]
    sys.stdout.flush()
    sys.stderr.flush()
    _judge(scenario, played, shown.read_bytes().decode("utf-8", "surrogateescape"))
    connection.send(played)
    os._exit(0)  # threads of servers are still there


def _judge(scenario: Scenario, played: Played, text: str) -> None:
    """Check what a terminal would have got, and the exit of the command."""
    others = text.count("Traceback (most recent call last)") - len(played.tracebacks)
    played.tracebacks += ["a thread's or another process's"] * max(others, 0)
    played.raw_characters = raw_characters(text) if not played.tracebacks else raw_characters(_without_traces(text))
    ended = {True: played.code not in (0, None), False: played.code == 0, None: True}[scenario.fails]
    if not ended:
        played.failures.append(f"ended with {played.code}: {text[-200:]!a}")
    played.shown = text[-3000:]


def _without_traces(text: str) -> str:
    """The output, except tracebacks, which are counted separately."""
    lines, inside = [], False
    for line in text.split("\n"):
        if line.startswith("Traceback (most recent call last)"):
            inside = True
        elif inside and line and not line.startswith((" ", "\t")):
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


@dataclass
class _Actor:
    scenario: Scenario
    process: Any
    connection: Connection
    begin: float


def perform(scenarios: Sequence[Scenario], folder: Path, jobs: int) -> Iterator[Played]:
    """Run them all, some in parallel: they mostly wait."""
    left, acting, number = list(scenarios), list[_Actor](), 0
    cache = folder / "cache"
    while left or acting:
        while left and len(acting) < jobs:
            number += 1
            acting.append(_begin(left.pop(0), folder / f"stage-{number}", cache))
        ready = wait([actor.connection for actor in acting], POLL_S)
        for actor in list(acting):
            played = _heard(actor, actor.connection in ready)
            if played is not None:
                acting.remove(actor)
                yield played


def _begin(scenario: Scenario, root: Path, cache: Path) -> _Actor:
    mine, theirs = context().Pipe()
    process = context().Process(target=act, args=(scenario, root, cache, theirs), daemon=False)
    process.start()
    theirs.close()
    return _Actor(scenario, process, mine, time.monotonic())


def _heard(actor: _Actor, ready: bool) -> Played | None:
    """Its outcome, if it has ended or must."""
    spent, why = time.monotonic() - actor.begin, ""
    if ready:
        try:
            played: Played | None = actor.connection.recv()
        except (EOFError, OSError):
            played, why = None, "the process ended by itself"
    elif spent > MAX_SCENARIO_S:
        played, why = None, f"more than {MAX_SCENARIO_S:.0f} s"
    elif memory_of(actor.process.pid, "VmRSS") > MAX_BYTES:
        played, why = None, f"more than {MAX_BYTES / 2**30:.0f} GiB"
    else:
        return None
    actor.process.kill()
    actor.process.join()
    actor.connection.close()
    peak_mb = MAX_BYTES / 1e6 if "GiB" in why else 0.0
    return played or Played(actor.scenario.name, failures=[why], seconds=spent, peak_mb=peak_mb)
