"""The verbs that write and read latency tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latkit._io import make_folder, write_bytes
from latkit.errors import LatkitError, UsageError
from latkit.latency_models.imported.proxyless_yaml import KeyTable, imported_model, write_keys
from latkit.layout import IMPORTED_TABLE
from latkit.tables import ElasticTable, LatencyTable, latency_table
from latkit.workspace.models.fitting import ModelFitting
from latkit.workspace.requests.models import ExportTableRequest, ImportTableRequest


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """A published table, and where its model is saved."""

    table: KeyTable
    path: Path


def export_table(workspace: ModelFitting, request: ExportTableRequest) -> LatencyTable | ElasticTable:
    """Write the table of a space on a target, and return it. Raises NotMeasured, WriteError."""
    space, output = request.space, request.output
    model = workspace.model(request.target, request.model, space)
    table = latency_table(space, model)
    if output.suffix == ".yaml":
        table.check_without_pairs(".yaml")
        ops = space.ops()
        write_keys(dict(zip(ops, model.layer_seconds(ops), strict=True)), ops, output)
    else:
        table.save(output)
    return table


def import_table(workspace: ModelFitting, request: ImportTableRequest) -> ImportedTable:
    """Save a table of ProxylessNAS or Once-for-all as a target's look-up model, marked as imported.

    Raises BadFile, and UsageError if anything was measured on the target: the two do not mix.
    """
    target = request.target
    if workspace.has_measurements(target):
        raise UsageError(f"{target} was measured here; import the table under the name of another device")
    table = KeyTable.read(request.file)
    model = imported_model(table, target)
    source, path = workspace.target_dir(target) / IMPORTED_TABLE, workspace.model_path(target, model.kind)
    is_new = not source.exists()
    make_folder(source.parent)
    try:
        write_bytes(source, table.content)
        model.save(path)
    except LatkitError:
        if is_new:
            source.unlink(missing_ok=True)
        raise
    return ImportedTable(table, path)
