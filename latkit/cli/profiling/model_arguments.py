"""Arguments about model files. Nothing here imports spaces, so that a profile starts fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latkit.errors import UsageError

MODEL_SUFFIXES = (".onnx", ".tflite", ".pt2", ".pt", ".pth")


def split_items(items: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Targets and models. A model ends in one of the known suffixes or exists as a file. Raises UsageError."""
    models = [item for item in items if item.lower().endswith(MODEL_SUFFIXES) or Path(item).is_file()]
    targets = [item for item in items if item not in models]
    if not targets or not models:
        found = "no target" if not targets else "no model file"
        raise UsageError(f"expected TARGET... MODEL..., such as pi4/tflite model.tflite, but found {found}")
    return targets, [Path(model) for model in models]


def parse_shapes(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Shapes such as `input=1,3,224,224` by name. Raises UsageError."""
    shapes = {}
    for text in texts or ():
        name, equals, sizes = text.rpartition("=")
        if not equals or not all(size.isdecimal() and int(size) > 0 for size in sizes.split(",")):
            raise UsageError(f"expected a shape such as input=1,3,224,224, but found {text!r}")
        shapes[name] = tuple(int(size) for size in sizes.split(","))
    return shapes
