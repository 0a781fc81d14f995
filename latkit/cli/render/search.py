"""The result of one search: its report, its figures, and then the error that ended its baselines, if any."""

from __future__ import annotations

from latkit.cli.console import emit_json, note, say, show_facts
from latkit.report import write_report
from latkit.workspace import REPORT_FILE, Workspace
from latkit.workspace.search import FinishedSearch

SHOWN = (
    "target",
    "space",
    "target_latency_ms",
    "predicted_latency_ms",
    "measured_latency_ms",
    "accuracy",
    "macs",
    "parameters",
    "seconds",
)
"""What a person is shown of a search; --json has all of it."""


def print_search(workspace: Workspace, name: str, found: FinishedSearch, as_json: bool) -> None:
    """Write the report of `search/NAME/` and print the figures. Raises the error that ended its baselines."""
    write_report(workspace, name, found.folder / REPORT_FILE)
    document = found.document()
    for remark in found.notes:
        note(remark)
    if as_json:
        emit_json(document)
    else:
        if document["emulated"]:
            note(f"{found.target.device} is emulated: these are no phone's latencies")
        show_facts(f"search {name}", {fact: document[fact] for fact in SHOWN})
        say(f"files in {found.folder}; look at {REPORT_FILE} in it with a browser")
    if found.failed:
        raise found.failed
