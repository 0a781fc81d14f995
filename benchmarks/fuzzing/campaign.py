"""The mutated inputs: how many each reader gets, their outcomes, and how an interrupted run continues."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.failures import Failures
from benchmarks.fuzzing.inputs import Inputs
from benchmarks.fuzzing.outcomes import ACCEPTED, HANG, MEMORY, PACKAGE, RAW, REFUSED, TRACEBACK, UNMADE, UNTIDY
from benchmarks.fuzzing.pool import Pool, context
from benchmarks.fuzzing.readers import Reader, readers
from benchmarks.fuzzing.worker import Judged
from latkit.progress import Progress

AT_ONCE = 25
"""Inputs of an order."""
SAVE_EVERY_S = 10.0
KINDS = (ACCEPTED, REFUSED, TRACEBACK, HANG, MEMORY, UNTIDY, RAW, UNMADE)

Row = dict[str, str | int | float | None]


@dataclass
class Campaign:
    """A number of inputs spread over the readers of a corpus, by a seed."""

    folder: Path
    seed: int
    inputs: int
    names: Sequence[str] = ()
    """The readers; all of them if empty."""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    done: dict[str, set[int]] = field(default_factory=dict)
    """By reader, the first numbers of the orders that are done."""

    def __post_init__(self) -> None:
        self.corpus = corpus_of_this_version(self.folder)
        every = readers(self.corpus)
        self.readers: list[Reader] = [every[name] for name in self.names or every]
        state = self._state()
        fresh = {} if state.get("finished") else state
        self.counts = {name: Counter(found) for name, found in fresh.get("counts", {}).items()}
        self.seconds = dict(fresh.get("seconds", {}))
        self.done = {name: set(found) for name, found in fresh.get("done", {}).items()}
        self.failures = Failures(self.folder / f"failures-{self.seed}")
        if not fresh:
            for path in self.failures.folder.iterdir():
                path.unlink()
            self.failures.known.clear()

    @property
    def state_path(self) -> Path:
        """Where an interrupted run continues from."""
        joined_names = ",".join(self.names)
        name = hashlib.sha256(f"{self.inputs} {joined_names} {_version()}".encode()).hexdigest()[:8]
        return self.folder / f"seed-{self.seed}-{name}.json"

    def _state(self) -> dict[str, Any]:
        return json.loads(self.state_path.read_text(encoding="utf-8")) if self.state_path.exists() else {}

    def _save(self, finished: bool = False) -> None:
        state = {
            "finished": finished,
            "counts": self.counts,
            "seconds": self.seconds,
            "done": {name: sorted(found) for name, found in self.done.items()},
        }
        self.state_path.write_text(json.dumps(state), encoding="utf-8")
        self.failures.save()

    def orders(self) -> list[tuple[str, range]]:
        """The remaining orders: the readers in alternation, so that the time spent predicts the time left.

        Their first inputs come last: these may wait forever, and the others must not wait for them.
        """
        total_share = sum(reader.share for reader in self.readers)
        orders: list[tuple[float, str, range]] = []
        for reader in self.readers:
            count = math.ceil(self.inputs * reader.share / total_share)
            starts = range(0, count, AT_ONCE)
            done = self.done.get(reader.name, set())
            orders += [
                (start / count if start else 1.0, reader.name, range(start, min(start + AT_ONCE, count)))
                for start in starts
                if start not in done
            ]
        return [(name, numbers) for _, name, numbers in sorted(orders, key=lambda order: order[:2])]

    def run(self, jobs: int, progress: Progress) -> None:
        """Run the orders, and save what fails."""
        orders = self.orders()
        total, count, saved = sum(len(numbers) for _, numbers in orders), 0, time.monotonic()
        pool = Pool(self.corpus, self.folder / f"scratch-{os.getpid()}", self.seed, jobs)
        for message in pool.run(orders):
            if isinstance(message, Judged):
                count += 1
                self._note(message)
                progress.advance("inputs", count, total, message.reader)
            else:
                name, numbers = message
                self.done.setdefault(name, set()).add(numbers[0])
            if time.monotonic() - saved > SAVE_EVERY_S:
                saved = time.monotonic()
                self._save()
        self._save(finished=True)

    def _note(self, judged: Judged) -> None:
        self.counts.setdefault(judged.reader, Counter())[judged.outcome.kind] += 1
        self.seconds[judged.reader] = self.seconds.get(judged.reader, 0.0) + judged.seconds
        if judged.outcome.failed:
            content = judged.content or self._content(judged.reader, judged.index)
            self.failures.add(judged.reader, judged.outcome, content)

    def _content(self, name: str, index: int) -> Any:
        reader = next(reader for reader in self.readers if reader.name == name)
        return Inputs(reader, self.corpus, self.seed)[index]

    def rows(self) -> list[Row]:
        """One row per reader."""
        rows: list[Row] = []
        for reader in self.readers:
            found = self.counts.get(reader.name, Counter())
            places = Counter(
                {
                    f"{r['kind']} {r['where']}": r["count"]
                    for r in self.failures.known.values()
                    if r["reader"] == reader.name
                }
            )
            where = "; ".join(f"{place} ({times})" for place, times in places.most_common(4))
            rows.append(
                {
                    "reader": reader.name,
                    "inputs": sum(found.values()) - found[UNMADE],
                    **{kind.lower(): found[kind] for kind in KINDS},
                    "seconds": round(self.seconds.get(reader.name, 0.0), 1),
                    "where": where,
                }
            )
        return rows

    def totals(self) -> dict[str, int]:
        """Over all readers."""
        total: Counter[str] = sum(self.counts.values(), Counter())
        return {
            "inputs": sum(total.values()) - total[UNMADE],
            "tracebacks": total[TRACEBACK],
            "hangs": total[HANG],
            "over_memory": total[MEMORY],
            "untidy": total[UNTIDY],
            "raw": total[RAW],
        }


def corpus_of_this_version(parent: Path) -> Path:
    """The corpus, made by another process if it does not exist: what it starts would not survive a fork."""
    folder = parent / f"corpus-{_version()}"
    if not (folder / "bombs" / "whole").exists():
        process = context().Process(target=_make, args=(folder,))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit("the corpus could not be made")
    return folder


def _make(folder: Path) -> None:
    import shutil

    from benchmarks.fuzzing import corpus
    from benchmarks.fuzzing.bombs import bombs

    shutil.rmtree(folder, ignore_errors=True)
    corpus.make(folder.resolve())
    bombs(folder / "bombs")
    (folder / "bombs" / "whole").touch()


def _version() -> str:
    """Hash of latkit and of this benchmark: another latkit is tried again, with files that it has written itself."""
    digest = hashlib.sha256()
    for root in (PACKAGE, Path(__file__).parent):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
