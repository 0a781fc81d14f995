"""Failures: one per reader, kind and location, with the smallest input that leads there, saved as files for replay."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.inputs import Input
from benchmarks.fuzzing.outcomes import Outcome

REPLAY = "python -m benchmarks.fuzz --replay {path}"


class Failures:
    """A folder of failures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.json")):
            self.known[path.stem] = json.loads(path.read_text(encoding="utf-8"))

    def add(self, reader: str, outcome: Outcome, content: Input) -> None:
        """Note a failure; its input is saved if it is the first of its location, or the smallest."""
        name = re.sub(r"[^\w.]+", "-", f"{reader}-{outcome.kind}-{outcome.where}")[:120].strip("-")
        known = self.known.get(name)
        size = len(content.content)
        record = {
            "reader": reader,
            "kind": outcome.kind,
            "where": outcome.where,
            "count": 1 + (known["count"] if known else 0),
            "special": content.special,
            "bytes": size,
            "message": outcome.message,
            "trace": outcome.trace,
            "replay": REPLAY.format(path=self.folder / f"{name}.json"),
        }
        if known is not None and known["bytes"] <= size:
            record = {**known, "count": record["count"]}
        else:
            (self.folder / f"{name}.input").write_bytes(content.content)
        self.known[name] = record

    def save(self) -> None:
        """Write the failures, and a summary for people."""
        for name, record in self.known.items():
            text = json.dumps(record, indent=1) + "\n"
            (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
        rows = sorted(self.known.values(), key=lambda record: (record["reader"], -record["count"]))
        lines = [summary(record) for record in rows]
        (self.folder / "summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> tuple[dict[str, Any], Input]:
        """A saved failure and its input."""
        record = json.loads(path.read_text(encoding="utf-8"))
        return record, Input(record["special"], path.with_suffix(".input").read_bytes())


def summary(record: dict[str, Any]) -> str:
    """One line about a failure."""
    what = record["special"] or f"{record['bytes']} bytes"
    message = ascii(record["message"])[1:-1][:160]
    return f"{record['reader']}: {record['kind']} {record['where']} ({record['count']} times, {what}): {message}"
