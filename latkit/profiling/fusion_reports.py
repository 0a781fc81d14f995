"""Fusion as runtimes report it: each graph is executed once with the runtime's profiler, on the target itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from latkit._io import one_line
from latkit.artifacts.files import ModelSource, SourceRequest, read_source
from latkit.devices import RecoveringSession, Session
from latkit.devices.sessions.model_profile import profile_ops
from latkit.errors import AgentError, BadFile, ExportError, UsageError
from latkit.graphs import Graph
from latkit.graphs.reported import FusionReport
from latkit.profiling.collector import Collection
from latkit.runtimes import get_runtime
from latkit.runtimes.base import ExecutedOp, Runtime
from latkit.timing import REFERENCE

MAX_SECONDS = 5.0
"""Time for the profiled run of a graph: one is made whatever it takes."""


def fusion_reports(collection: Collection, graphs: Sequence[Graph]) -> list[tuple[Graph, FusionReport]]:
    """The kernels of graphs as the target's runtime reports them; those that it does not report are left out.

    Raises DeviceError where the device fails.
    """
    runtime = get_runtime(collection.store.target.runtime)
    session = collection.session
    if not runtime.reports_fusion or not isinstance(session, RecoveringSession):
        return []
    found = []
    for done, graph in enumerate(graphs, start=1):
        report = _report(collection, session, runtime, graph)
        if report is not None:
            found.append((graph, report))
        collection.progress.advance("reading fusion", done, len(graphs), graph.title)
    return found


def _report(collection: Collection, session: RecoveringSession, runtime: Runtime, graph: Graph) -> FusionReport | None:
    with tempfile.TemporaryDirectory(prefix="latkit-fusion-") as name:
        path = Path(name, f"graph{runtime.suffix}")
        try:
            runtime.export_for_report(graph, path)
            source = read_source(SourceRequest(path, batch=collection.store.target.batch))
            executed = _executed(collection, session, runtime, source)
        except (AgentError, BadFile, ExportError, UsageError) as error:
            collection.progress.advance("reading fusion", 0, 1, one_line(str(error), 80))
            return None
        return runtime.fusion_report(graph, path, executed)


def _executed(
    collection: Collection, session: RecoveringSession, runtime: Runtime, source: ModelSource
) -> list[ExecutedOp]:
    """The ops of one profiled run. Nothing stays on the device."""
    artifact = source.artifact(runtime, source.path.parent)

    def act(session: Session) -> list[ExecutedOp]:
        try:
            found = profile_ops(session, artifact, runs=1, seconds=MAX_SECONDS)
        finally:
            session.remove_files([sha256 for _, sha256 in artifact.files()])
        return [ExecutedOp(op.name, op.kind, op.placement) for op in found.ops]

    return session.act(artifact, collection.export(REFERENCE), act)
