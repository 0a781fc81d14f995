"""The measured latency of a network, or of its file, in a workspace."""

from __future__ import annotations

from pathlib import Path

from latkit.artifacts.files import FORMATS, SourceRequest, read_source
from latkit.errors import LatkitError
from latkit.evaluation.measured import FileContent, MeasuredLatency, latest_latency
from latkit.graphs import Graph, ModelFile
from latkit.layout.fitted import FittedModels
from latkit.ops import Network
from latkit.runtimes.onnx.file import Shapes
from latkit.targets import Target


def measured_latency(
    workspace: FittedModels, target: Target, workload: Network | Graph, file: Path
) -> MeasuredLatency | None:
    """The latest measurement of a network, or of its file, in the target's latest environment; None without one."""
    if not workspace.has_measurements(target):
        return None
    with workspace.store(target) as store:
        environment = store.latest_environment()
        here = [one for one in store.measurements_of(workload.key) if one.environment == environment]
    has_profiles = any(isinstance(one.workload, ModelFile) for one in here)
    return latest_latency(here, workload, file_content(file, workload, target) if has_profiles else None)


def measured_file(workspace: FittedModels, target: Target, file: Path, shapes: Shapes) -> MeasuredLatency | None:
    """The latest profile of a file that cannot be read as a graph, in the target's latest environment."""
    if file.suffix.lower() not in FORMATS or not workspace.has_measurements(target):
        return None
    try:
        model = read_source(SourceRequest(file, shapes, batch=target.batch)).model
    except LatkitError:
        return None
    with workspace.store(target) as store:
        environment = store.latest_environment()
        here = [one for one in store.measurements_of(model.key) if one.environment == environment]
    return latest_latency(here, None, FileContent.of(model))


def file_content(file: Path, workload: Network | Graph, target: Target) -> FileContent | None:
    """The content of the file with inputs of the graph's shapes; None if it cannot be run as it is."""
    if not isinstance(workload, Graph) or file.suffix.lower() not in FORMATS:
        return None
    shapes = {name: one.shape for name, one in zip(workload.input_names, workload.inputs, strict=True)}
    try:
        return FileContent.of(read_source(SourceRequest(file, shapes, batch=target.batch)).model)
    except LatkitError:
        return None
