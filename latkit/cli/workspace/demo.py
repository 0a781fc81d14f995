"""`latkit demo`: latkit on this machine, in under four minutes. Its steps are in `demo_steps.py`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import emit_json, show_facts, showing_progress
from latkit.cli.options import AsJson
from latkit.errors import UsageError


def demo(
    directory: Annotated[Path, typer.Argument(help="Folder for the demo's own workspace; must be empty.")] = Path(
        "latkit-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Register this machine, measure a small space on it, fit, search on real images, validate and report."""
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"expected a folder for the demo, but found that {directory} is a file")
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"expected an empty folder for the demo, but found files in {directory}")
    from latkit.cli.workspace.demo_steps import run_demo

    begun = time.monotonic()
    with showing_progress() as callbacks:
        found = run_demo(directory, callbacks)
    document, validation = found.search.document(), found.validation
    if as_json:
        figures = validation.model_dump(mode="json", exclude={"results"})
        emit_json({"validation": figures, "search": document, "report": str(found.report)})
        return
    metric, score = found.search.result.metric, found.search.result.score
    show_facts(
        f"latkit demo, {time.monotonic() - begun:.0f} s",
        {
            "device": f"{found.device.facts.model}, {len(found.device.facts.cores)} cores",
            "target": str(found.target),
            "ops and networks measured": found.measured,
            "validation error": f"{validation.mape_percent:.2f} % on {validation.networks} unseen networks",
            "repeatability": f"{validation.repeatability_mape_percent:.2f} % (the same networks measured twice)",
            "latency requested": f"{document['target_latency_ms']:.3f} ms",
            "latency predicted": f"{document['predicted_latency_ms']:.3f} ms",
            "latency measured": f"{document['measured_latency_ms']:.3f} ms",
            metric.title: f"{metric.format(score)} of the test digits",
            "report": str(found.report),
        },
    )


COMMANDS = (demo,)
