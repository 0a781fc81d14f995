"""The runtimes, one file for each kind, and those of plug-ins.

A file has `LOADERS`, which load a model by the name of the runtime, and `FIND`, a program that imports them and prints
a version for each, in order.
"""

from __future__ import annotations

from runpy import run_path
from typing import Callable  # noqa: UP035 - Python 3.8 runs this

from ..models import SEED, Loaded, concrete, random_input
from ..requests import Fields, RequestError
from . import load_onnxruntime, load_tflite, load_torch

FILES = (load_onnxruntime, load_tflite, load_torch)
LOADERS: dict[str, Callable[[str, int, Fields], Loaded]] = {
    name: load for file in FILES for name, load in file.LOADERS.items()
}
IMPORTS: dict[tuple[str, ...], str] = {tuple(file.LOADERS): file.FIND for file in FILES}
"""Programs that find the runtimes. A bad build crashes only the process that runs one."""


def add_loader(name: str, path: str) -> None:
    """Learn a runtime from a Python file with `version()` and `load(path, threads, request)`.

    The file's functions may use `Loaded`, `RequestError`, `concrete`, `random_input` and `SEED`.
    """
    IMPORTS[(name,)] = f"from runpy import run_path; print(run_path({path!r})['version']())"
    helpers = (Loaded, RequestError, concrete, random_input)
    known: Fields = {"SEED": SEED, **{one.__name__: one for one in helpers}}
    LOADERS[name] = lambda *arguments: run_path(path, init_globals=known)["load"](*arguments)
