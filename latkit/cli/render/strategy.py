"""What a person or a program sees of a search by a strategy on a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latkit.cli.console import emit_json, note, say, show_facts, show_table
from latkit.layout import REPORT_FILE
from latkit.search.records.strategy import HISTORY_FILE, STRATEGY_FILE, Judged, StrategyRecord


def document(record: StrategyRecord, folder: Path) -> dict[str, Any]:
    """The figures that `--json` prints."""
    files = {"strategy": STRATEGY_FILE, "history": HISTORY_FILE, "report": REPORT_FILE}
    return {
        **record.model_dump(mode="json", exclude={"format", "plan"}),
        **record.plan.model_dump(mode="json", exclude={"evaluator"}),
        "files": {what: str(folder / name) for what, name in files.items()},
    }


def show_strategy(record: StrategyRecord, folder: Path, as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        emit_json(document(record, folder))
        return
    if record.failures:
        note(f"{record.failures} evaluations failed; {folder / HISTORY_FILE} says why")
    facts: dict[str, Any] = {
        "strategy": record.plan.strategy,
        "space": record.space,
        "evaluator": record.evaluator,
        "goals": ", ".join(record.plan.goals),
        "evaluations": record.spent.get("evaluations", 0.0),
        "ended by": record.reason,
    }
    if record.best is not None:
        facts |= _values(record.best)
    show_facts(f"search {record.name}", facts)
    if record.front:
        show_table("front", [_values(one) for one in record.front])
    say(f"files in {folder}; look at {REPORT_FILE} in it with a browser")


def _values(one: Judged) -> dict[str, Any]:
    """An architecture and its quantities; what judges it stands last."""
    return {"architecture": " ".join(map(str, one.architecture)), **one.quantities, **one.test}
