"""The runtimes by name, and those of plug-ins."""

from __future__ import annotations

from runpy import run_path
from typing import Callable  # noqa: UP035 - Python 3.8 runs this

from .installed import IMPORTS
from .load_onnxruntime import load_onnxruntime
from .load_tflite import load_tflite
from .load_torch import load_torch, load_torch_cuda
from .models import SEED, Loaded, concrete, random_input
from .requests import Fields, RequestError

LOADERS: dict[str, Callable[[str, int, Fields], Loaded]] = {
    "onnxruntime": load_onnxruntime,
    "tflite": load_tflite,
    "torch": load_torch,
    "torch_cuda": load_torch_cuda,
}


def add_loader(name: str, path: str) -> None:
    """Learn a runtime from a Python file with `version()` and `load(path, threads, request)`.

    The file's functions may use `Loaded`, `RequestError`, `concrete`, `random_input` and `SEED`.
    """
    IMPORTS[(name,)] = f"from runpy import run_path; print(run_path({path!r})['version']())"
    helpers = (Loaded, RequestError, concrete, random_input)
    known: Fields = {"SEED": SEED, **{one.__name__: one for one in helpers}}
    LOADERS[name] = lambda *arguments: run_path(path, init_globals=known)["load"](*arguments)
