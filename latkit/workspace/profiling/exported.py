"""Torch modules, and programs that `torch.export.save` wrote, as model files in the cache."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latkit._io import atomic_write, make_folder, naming_extras
from latkit._io.cache import cache_folder
from latkit.artifacts.files import SourceRequest, read_source
from latkit.errors import UsageError
from latkit.profiling.profile import ModelRequest, ProfileRequest
from latkit.runtimes import get_runtime
from latkit.targets import Target

PROGRAM_SUFFIX = ".pt2"


@contextmanager
def exporting_programs(request: ProfileRequest) -> Iterator[ProfileRequest]:
    """The request with every `.pt2` file exported for the target's runtime, for the duration of the block.

    The exported file stays in the cache. Raises BadFile, UsageError, ExportError and MissingExtra.
    """
    if not any(model.path.suffix.lower() == PROGRAM_SUFFIX for model in request.models):
        yield request
        return
    with tempfile.TemporaryDirectory(prefix="latkit-program-") as name:
        models = tuple(_exported_program(request.target, model, Path(name)) for model in request.models)
        yield replace(request, models=models)


def _exported_program(target: Target, model: ModelRequest, folder: Path) -> ModelRequest:
    if model.path.suffix.lower() != PROGRAM_SUFFIX:
        return model
    if model.shapes:
        raise UsageError(f"expected no --shape for {model.path.name}: its example inputs have shapes of their own")
    with naming_extras():
        from latkit.artifacts.exported_program import load_exported_program
    loaded = load_exported_program(model.path)
    made = exported_model(target, loaded.module, loaded.example, folder, model.path.stem)
    return made if model.inputs is None else replace(made, inputs=model.inputs)


def exported_model(target: Target, module: object, example: object, folder: Path, stem: str = "") -> ModelRequest:
    """A module as a model file in the cache, with the example's values in a file in `folder`.

    Raises UsageError, ExportError and MissingExtra.
    """
    path = _exported(target, module, example, stem or type(module).__name__)
    return ModelRequest(path, inputs=_values(target, path, example, folder))


def _exported(target: Target, module: object, example: object, title: str) -> Path:
    """The exported file in the cache, in a folder named by its content."""
    with naming_extras():
        from latkit.artifacts.user_module import export_user_module

    runtime, home = get_runtime(target.runtime), cache_folder("modules")
    make_folder(home)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", title)[:60] or "module"
    with tempfile.TemporaryDirectory(prefix=".export-", dir=home) as name:
        made = export_user_module(runtime, module, example, Path(name, f"{stem}{runtime.suffix}"))
        place = home / made.sha256[:16] / made.path.name
        make_folder(place.parent)
        with atomic_write(place) as temporary:
            made.path.replace(temporary)
        return place


def _values(target: Target, path: Path, example: object, folder: Path) -> Path:
    """An `.npz` file with the example's values by input of the exported file."""
    from latkit.artifacts.user_module import example_tensors, example_values

    source = read_source(SourceRequest(path, batch=target.batch))
    place = folder / f"{path.parent.name}.npz"
    values: dict[str, Any] = dict(example_values(source, example_tensors(example)))
    np.savez(place, **values)
    return place
