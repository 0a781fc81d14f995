"""Quantized graphs, kept by content in the cache: quantizing a network takes a second, and reading it a millisecond."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from latkit._io import make_folder
from latkit.artifacts.cache import RECIPE, default_folder
from latkit.errors import BadFile
from latkit.graphs import Graph
from latkit.ops import digest
from latkit.runtimes.base import Runtime

MADE_BY = "quantized 2"
"""Changed when latkit changes what the quantizers wrote."""


def quantized_graph(runtime: Runtime, graph: Graph, precision: str, folder: Path | None = None) -> Graph:
    """The graph as the runtime's quantizer writes it, from the folder (the cache of artifacts) or made and kept there.

    Raises ExportError and MissingExtra.
    """
    described = [RECIPE, MADE_BY, graph.key, runtime.name, runtime.exporter, runtime.quantizer, precision]
    path = (default_folder() if folder is None else folder) / f"{digest(described)}.graph.json"
    try:
        found = Graph.load(path)
    except BadFile:
        found = runtime.quantized_graph(graph, precision)
        make_folder(path.parent)
        found.save(path)
    with suppress(OSError):
        os.utime(path)  # used now: the cache's limit removes what was not used for longest
    return replace(found, name=graph.name)
