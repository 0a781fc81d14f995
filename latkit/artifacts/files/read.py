"""Reads a model file by its suffix, and says which runtimes load it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from latkit._io import one_line
from latkit.artifacts.files.source import ModelSource, SourceRequest
from latkit.errors import BadFile, LatkitError, UsageError
from latkit.runtimes import get_runtime, list_runtimes
from latkit.targets import Target


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of model files."""

    name: str
    reader: tuple[str, str]
    """Module and name of its reader, which is imported when it is needed."""


FORMATS = {
    ".onnx": FileFormat("ONNX", ("latkit.artifacts.files.onnx_file", "read_onnx")),
    ".tflite": FileFormat("TFLite", ("latkit.artifacts.files.tflite_file", "read_tflite")),
}
"""Formats of model files by suffix."""

TORCH_SUFFIXES = (".pt2", ".pt", ".pth")
"""Files of torch, which hold pickled objects."""

TFLITE_MARK = b"TFL3"
"""At byte 4 of a TFLite file."""


def format_of(path: Path) -> FileFormat:
    """The format that a file's suffix names. Raises UsageError."""
    known = FORMATS.get(path.suffix.lower())
    if path.suffix.lower() in TORCH_SUFFIXES:
        raise UsageError(
            f"expected a model file ending in {' or '.join(FORMATS)}, but found {one_line(str(path))}: torch runs code "
            "of such a file when it loads it; if you trust it, load it in Python and profile its module: "
            "workspace.profile(target, module, example); latkit profile takes the .pt2 files of torch.export.save"
        )
    if known is None:
        raise UsageError(f"expected a model file ending in {' or '.join(FORMATS)}, but found {one_line(str(path))}")
    return known


def check_runtime(path: Path, target: Target) -> None:
    """Raise UsageError where a target's runtime cannot load a file, and name those that can."""
    known = format_of(path)
    suffix = path.suffix.lower()
    if get_runtime(target.runtime).suffix != suffix:
        others = " or ".join(f"{target.device}/{one.name}" for one in list_runtimes() if one.suffix == suffix)
        raise UsageError(
            f"expected a target whose runtime loads {known.name} files ({others}) for {one_line(path.name)}, but found "
            f"{target}"
        )


def read_source(request: SourceRequest) -> ModelSource:
    """A model file with the values of its inputs. Raises BadFile and UsageError, each in one line."""
    path, known = request.path, format_of(request.path)
    if not path.is_file():
        raise BadFile(path, f"a model as {known.name}", "no such file" if not path.exists() else "no regular file")
    with path.open("rb") as file:
        is_tflite = file.read(8)[4:] == TFLITE_MARK
    if is_tflite != (path.suffix.lower() == ".tflite"):
        found = "a TFLite file; its name should end in .tflite" if is_tflite else _other_format(path)
        raise BadFile(path, f"a model as {known.name}", found)
    module, name = known.reader
    reader: Callable[[SourceRequest], ModelSource] = getattr(import_module(module), name)
    return reader(request)


def _other_format(path: Path) -> str:
    """What a file is that is no TFLite file, as far as latkit reads its format."""
    from latkit.runtimes.onnx.file import load_model

    try:
        nodes = len(load_model(path).graph.node)
    except LatkitError:
        return "another format"
    return "an ONNX file; its name should end in .onnx" if nodes else "another format"
