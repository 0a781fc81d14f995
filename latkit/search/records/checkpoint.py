"""Checkpoints: tensors and plain values in one file, written atomically, read without executing pickled code."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from latkit._io import atomic_write, other_format, reading
from latkit._version import __version__
from latkit.errors import BadFile
from latkit.search.training.distributed import broadcast_from_main

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FORMAT = "latkit-checkpoint-1"

EXPECTED = "a checkpoint of a search"
REMEDY = "resume with that version, or remove the file to begin again"


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Replace the file at `path` atomically: an interruption leaves either the old file or the new one."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": FORMAT, "latkit": __version__, **content}, file)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path: Path, fabric: Fabric | None = None) -> dict[str, Any]:
    """Read a checkpoint to the CPU. Raises BadFile for anything else, without running code from the file.

    With several processes, the first reads the file and sends its content to the others.
    """
    if fabric is not None and fabric.world_size > 1:
        return _loaded(path, io.BytesIO(broadcast_from_main(lambda: _existing(path).read_bytes(), fabric)))
    return _loaded(path, _existing(path))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise BadFile(path, EXPECTED, "something that is no regular file" if path.exists() else "no such file")
    return path


def _loaded(path: Path, file: Path | io.BytesIO) -> dict[str, Any]:
    with reading(path, EXPECTED):
        _check_archive(path, file)
        if isinstance(file, io.BytesIO):
            file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise BadFile(path, f"a checkpoint of format {FORMAT!r}", "another file")
        if content.get("format") != FORMAT:
            found = other_format(content.get("format"), [FORMAT], REMEDY, content.get("latkit"))
            raise BadFile(path, f"a checkpoint of format {FORMAT!r}", found)
        return content


def _check_archive(path: Path, file: Path | io.BytesIO) -> None:
    """Raise BadFile unless a file is an archive as torch writes it, with no entry larger than the file itself.

    torch would try other files as legacy pickles, and unpack any size that an archive declares.
    """
    if not zipfile.is_zipfile(file):
        raise BadFile(path, EXPECTED, "another file")
    size = len(file.getbuffer()) if isinstance(file, io.BytesIO) else file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise BadFile(path, EXPECTED, "a compressed archive")
    if sum(member.file_size for member in members) > size:
        raise BadFile(path, EXPECTED, f"an archive of {size} bytes whose members say that they are larger")
