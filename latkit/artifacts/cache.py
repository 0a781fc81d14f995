"""The cache of artifacts: nothing is exported twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import load_record, make_folder, missing_extra, read_bytes, write_bytes, write_record
from latkit._io.cache import cache_folder
from latkit.artifacts import Workload, is_native
from latkit.artifacts.write import export_graph
from latkit.errors import BadFile
from latkit.graphs import Graph
from latkit.ops import Network, Op, digest
from latkit.runtimes import get_runtime
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime
from latkit.targets import Target

RECIPE = 1
"""Incremented when latkit itself writes other files for the same workload (weights, folding, layout)."""

MAX_ARTEFACT_BYTES = 2**32
"""Maximum file size of any runtime."""

CHECKED = "shapes checked"
"""Part of a graph's cache name: files of graphs that earlier versions wrote unchecked are not used."""


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The default folder: `artifacts` in the folder of the variable LATKIT_CACHE, or in `~/.cache/latkit`."""
    return cache_folder("artifacts", environment)


class _Sidecar(BaseModel):
    """Content of the JSON file beside a cached file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    format: Literal["latkit-artifact-1"] = "latkit-artifact-1"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    runtime: str
    exporter: str
    opset: int
    subject: str
    """The workload's title, for people."""


class ArtifactCache:
    """Artifacts in a folder, named by a hash of everything that determines them.

    A file that does not match its sidecar is exported again. Several processes may share a folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        guard: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """`guard`: entered while a file is looked for, so that nobody removes it then."""
        self.folder = default_folder() if folder is None else Path(folder)
        self.guard = guard

    def artifact(self, subject: Workload, target: Target) -> Artifact:
        """The workload's artifact for the target's runtime, precision and batch, from the folder or exported into it.

        Ops that name no precision of their own are in the target's.

        Raises ExportError naming the workload, and MissingExtra.
        """
        runtime = get_runtime(target.runtime)
        subject = subject.in_precision(target.precision)
        name = _name(subject, runtime, target)
        path, sidecar = self.folder / f"{name}{runtime.suffix}", self.folder / f"{name}.json"
        with self.guard():
            for file in (path, sidecar):
                with suppress(OSError):
                    os.utime(file)  # used now: the cache's limit removes what was not used for longest
            known = _known(path, sidecar, runtime)
        if known is None:
            source = None
            if not is_native(runtime, subject):
                native = replace(target, precision=runtime.precisions[0])
                source = self.artifact(subject.with_precision(native.precision), native).path
            known = _exported(runtime, subject, path, target.batch, source)
            _write(sidecar, known, subject.title)
        return known


def _exported(runtime: Runtime, subject: Workload, path: Path, batch: int, source: Path | None) -> Artifact:
    """Export, or copy the runtime's prebuilt file. Raises ExportError and MissingExtra.

    torch takes seconds to import: graphs and prebuilt files of the same exporter need none of it.
    """
    if isinstance(subject, Graph):
        return export_graph(runtime, subject, path)
    prebuilt = runtime.prebuilt / f"{subject.key}-b{batch}{runtime.suffix}" if runtime.prebuilt else None
    is_prebuilt = prebuilt is not None and is_native(runtime, subject) and prebuilt.is_file()
    if is_prebuilt and prebuilt is not None and runtime.exporter == runtime.prebuilt_by:
        return _copied(runtime, prebuilt, path)
    try:
        from latkit.artifacts.export import export_subject
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        if prebuilt is None or not is_prebuilt:
            raise missing from error
        return _copied(runtime, prebuilt, path)
    return export_subject(runtime, subject, path, batch, source)


def _copied(runtime: Runtime, prebuilt: Path, path: Path) -> Artifact:
    content = prebuilt.read_bytes()
    make_folder(path.parent)
    write_bytes(path, content)
    return Artifact(path, hashlib.sha256(content).hexdigest(), runtime.name, runtime.exporter, runtime.opset)


def _name(subject: Workload, runtime: Runtime, target: Target) -> str:
    exported = [CHECKED, _exported_graph(subject)] if isinstance(subject, Graph) else _exported_ops(subject)
    described = [RECIPE, exported, runtime.name, runtime.exporter, runtime.opset, target.precision, target.batch]
    return digest(described if is_native(runtime, subject) else [*described, runtime.quantizer])


def _exported_graph(subject: Graph) -> dict[str, object]:
    """All that is exported of a graph: also scales and zero points, which are no part of its key but can decide how
    long it takes."""
    return {name: value for name, value in subject.to_json().items() if name != "name"}


def _exported_ops(subject: Op | Network) -> list[object]:
    """The ops that are exported of an op or a network, and their inputs unless they are a chain."""
    if isinstance(subject, Op):
        return [subject.to_json()]
    exported = subject.without_identities()
    ops: list[object] = [op.to_json() for op in exported.ops]
    return ops if exported.is_chain else [*ops, exported.inputs]


def _known(path: Path, sidecar: Path, runtime: Runtime) -> Artifact | None:
    """The cached artifact, or None where it is absent, does not match its sidecar, or is not of this runtime."""
    try:
        recorded = load_record(sidecar, _Sidecar, "what describes an artifact")
        content = read_bytes(path, "an artifact", MAX_ARTEFACT_BYTES)
    except BadFile:
        return None
    found = Artifact(path, hashlib.sha256(content).hexdigest(), runtime.name, runtime.exporter, runtime.opset)
    return (
        found if found == Artifact(path, recorded.sha256, recorded.runtime, recorded.exporter, recorded.opset) else None
    )


def _write(sidecar: Path, artifact: Artifact, title: str) -> None:
    recorded = _Sidecar(
        sha256=artifact.sha256,
        runtime=artifact.runtime,
        exporter=artifact.exporter,
        opset=artifact.opset,
        subject=title,
    )
    write_record(sidecar, recorded.model_dump(mode="json"))
