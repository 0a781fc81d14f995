"""Reading of the files of a benchmark."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latkit._io import read_bytes, reading
from latkit._io.arrays import Floats
from latkit._io.parsing.archives import npz_names, read_npz
from latkit.errors import BadFile, UsageError

MAX_BYTES = 2**29
MAX_ROWS = 1_000_000
MAX_ARRAYS = 1000

Arrays = Mapping[str, NDArray[Any]]


def find_file(folder: str | os.PathLike[str], name: str) -> Path:
    """The path of a file of a benchmark. Raises UsageError where it is missing."""
    path = Path(folder, name)
    if not path.is_file():
        raise UsageError(f"expected {name} in the folder of the data, but found none in {folder}")
    return path


def read_table(path: Path, expected: Sequence[str], is_open: bool = False) -> Arrays:
    """The arrays of an .npz file, which have one row each per architecture. Raises BadFile.

    `expected` names those that it must have; with `is_open`, all others are read too.
    """
    what = f"a table with the arrays {', '.join(expected)}"
    with reading(path, what):
        if path.stat().st_size > MAX_BYTES:
            raise BadFile(path, f"at most {MAX_BYTES} bytes", f"{path.stat().st_size}")
        names = npz_names(path)
        missing = [name for name in expected if name not in names]
        if missing or len(names) > MAX_ARRAYS:
            raise BadFile(path, what, f"no {missing[0]}" if missing else f"{len(names)} arrays")
        arrays = read_npz(path, names if is_open else expected)
        rows = len(arrays[expected[0]]) if arrays[expected[0]].ndim else 0
        if not 1 <= rows <= MAX_ROWS:
            raise BadFile(path, f"1 to {MAX_ROWS} rows", f"{rows}")
        for name, values in arrays.items():
            if values.shape[:1] != (rows,) and name in expected:
                raise BadFile(path, f"{rows} rows in every array", f"an array {name} of shape {values.shape}")
        return arrays


def numbers(path: Path, arrays: Arrays, name: str, factor: float = 1.0) -> Floats:
    """An array as float64, times a factor. Raises BadFile for what is no array of numbers."""
    values = arrays[name]
    if values.dtype.kind not in "fiu":
        raise BadFile(path, f"numbers in {name}", f"{values.dtype}")
    return np.asarray(values, dtype=np.float64) * factor


def content_name(benchmark: str, *paths: Path) -> str:
    """The name of a benchmark with a hash of its files, such as `nasbench201-1f3a5b7c`."""
    found = hashlib.sha256()
    for path in paths:
        found.update(hashlib.sha256(read_bytes(path, benchmark, MAX_BYTES)).digest())
    return f"{benchmark}-{found.hexdigest()[:8]}"
