"""The folder of a quantization: it is continued with the same network, images and request only."""

from __future__ import annotations

from pathlib import Path

from latkit._io import make_folder, one_line
from latkit.errors import UsageError
from latkit.search.quantization.records import (
    INPUTS_FILE,
    QUANTIZED_FILE,
    QuantizeInputs,
    QuantizeResult,
)
from latkit.search.records.base import load_record
from latkit.search.records.run_dir import OTHER_RECIPES


def finished_result(folder: Path, inputs: QuantizeInputs) -> QuantizeResult | None:
    """The saved result of the same inputs; None where there is none yet.

    Raises UsageError for a folder of other inputs, of a search or of a supernet, and BadFile.
    """
    for name, what in OTHER_RECIPES.items():
        if (folder / name).exists():
            raise UsageError(f"{folder} holds {what}; give another --name")
    path = folder / INPUTS_FILE
    if path.exists():
        _check_same(path, load_record(QuantizeInputs, path), inputs)
    path = folder / QUANTIZED_FILE
    if not path.exists():
        return None
    saved = load_record(QuantizeResult, path)
    _check_same(path, saved, inputs)  # an earlier version saved no inputs
    return saved


def begin(folder: Path, inputs: QuantizeInputs) -> None:
    """Make the folder and save its inputs, unless it goes on."""
    make_folder(folder)
    if not (folder / INPUTS_FILE).exists():
        inputs.save(folder / INPUTS_FILE)


def _check_same(path: Path, saved: QuantizeInputs | QuantizeResult, inputs: QuantizeInputs) -> None:
    """Raise UsageError, which names the first field that differs."""
    found = saved.model_dump()
    for name, value in inputs.model_dump(exclude={"format"}).items():
        if name in found and found[name] != value:
            raise UsageError(
                f"{path}: expected {name} to be {one_line(str(found[name]), 80)} as in the quantization of the "
                f"folder, but found {one_line(str(value), 80)}; give another --name"
            )
