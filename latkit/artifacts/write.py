"""Artifacts written atomically; and graphs, which are written without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from latkit._io import atomic_move, one_line
from latkit.errors import ExportError, LatkitError
from latkit.graphs import Graph
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime

MAX_REASON_CHARS = 500
"""Of an exporter's message, which may go on for pages."""


def export_graph(runtime: Runtime, graph: Graph, path: Path) -> Artifact:
    """Write a graph, which includes its batch, with weights generated from its key. Raises ExportError."""
    return write_artifact(runtime, lambda temporary: runtime.export_graph(graph, temporary), path, graph.title)


def write_artifact(runtime: Runtime, write: Callable[[Path], None], path: Path, what: str) -> Artifact:
    """Write an artifact beside `path`, and move it there atomically. Raises ExportError."""
    exporter = runtime.exporter
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_move(path, f"model{runtime.suffix}") as temporary:
        try:
            write(temporary)
        except LatkitError:
            raise
        except Exception as error:  # an exporter may raise anything
            reason = f"{type(error).__name__}: {one_line(str(error), MAX_REASON_CHARS)}"
            raise ExportError(f"cannot export {what} for {runtime.name}: {reason}") from error
        sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
    return Artifact(path, sha256, runtime.name, exporter, runtime.opset)
