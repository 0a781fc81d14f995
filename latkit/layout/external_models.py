"""The external models that were measured on a target: each file with the names of its nodes, saved with the target.

measurements/DEVICE/TARGET/external/STEM-HASH.json
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import load_record, make_folder, write_record
from latkit.evaluation.measured import FileContent
from latkit.graphs import Graph
from latkit.ops import digest

FOLDER = "external"
"""In a target's folder."""

MAX_STEM_CHARS = 60
MAX_NAME_CHARS = 1000

Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]


class ExternalModel(BaseModel):
    """A model file whose graph was measured: the graph itself is in the target's store, without names."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["latkit-external-model-1"] = "latkit-external-model-1"
    file: Name
    """The file's name."""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 of the file as in a profile; empty for a file that cannot run as it is, such as one without weights."""
    graph_key: Name
    input_names: tuple[Name, ...] = ()
    node_names: tuple[Name, ...] = ()
    """Name of each node, or of its first output."""

    @classmethod
    def of(cls, path: Path, graph: Graph, content: FileContent | None) -> ExternalModel:
        """The record of a file that was read as a graph."""
        return cls(
            file=path.name[:MAX_NAME_CHARS],
            sha256=content.sha256 if content else "",
            graph_key=graph.key,
            input_names=tuple(name[:MAX_NAME_CHARS] for name in graph.input_names),
            node_names=tuple(name[:MAX_NAME_CHARS] for name in graph.node_names),
        )

    def named(self, graph: Graph) -> Graph:
        """The stored graph with the file's names, where they fit it."""
        nodes = self.node_names if len(self.node_names) == len(graph.nodes) else ()
        inputs = self.input_names if len(self.input_names) == len(graph.inputs) else ()
        return replace(graph, name=Path(self.file).stem, input_names=inputs, node_names=nodes)

    def content(self, graph: Graph) -> FileContent | None:
        """What identifies the file's own measurements."""
        return FileContent(self.sha256, tuple(tensor.shape for tensor in graph.inputs)) if self.sha256 else None

    def save(self, target_folder: Path) -> Path:
        """Write as JSON, atomically; returns the path. The same file with the same graph replaces its record."""
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(self.file).stem)[:MAX_STEM_CHARS].strip("-.") or "model"
        path = target_folder / FOLDER / f"{stem}-{digest([self.file, self.sha256, self.graph_key])[:8]}.json"
        make_folder(path.parent)
        write_record(path, self.model_dump(mode="json"))
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ExternalModel:
        """Read from JSON. Raises BadFile."""
        return load_record(path, cls, "an external model's record")


def external_models(target_folder: Path) -> list[ExternalModel]:
    """The records of a target, by file name. Raises BadFile."""
    return [ExternalModel.load(path) for path in sorted((target_folder / FOLDER).glob("*.json"))]
