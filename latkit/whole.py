"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A place beside `path` to write to; at the end it takes the place of the file at `path`.

    Where writing fails, as on a full disk, the old file stays and nothing is left of the new one. Where the process is
    killed meanwhile, the old file stays too.
    """
    place = Path(path)
    unfinished = place.with_name(place.name + ".unfinished")
    try:
        yield unfinished
        unfinished.replace(place)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def save_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
