"""Files beside a model."""

from __future__ import annotations

import os

MODEL_NAME = "latkit-model.onnx"
"""Name of a model beside its external data."""


def link_or_copy(source: str, place: str) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(source, place)
    except OSError:
        import shutil  # it takes long to import

        shutil.copyfile(source, place)


def remove_trace(prefix: str) -> None:
    """Remove the traces that were begun for a model and never read."""
    folder, name = os.path.split(prefix)
    for entry in os.listdir(folder) if name else []:  # noqa: PTH208
        if entry.startswith(name):
            os.remove(os.path.join(folder, entry))  # noqa: PTH107, PTH118
