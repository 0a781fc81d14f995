"""Values of a model's inputs: random ones that respect type, range and vocabulary, or real ones from an `.npz` file.

They are never zeros: some kernels are faster on zeros, and an attention mask of zeros hides everything.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latkit._io import one_line, reading
from latkit.artifacts.files.source import Values
from latkit.errors import BadFile
from latkit.graphs import FileTensor

SEED = 20181202
MAX_INPUT_BYTES = 2**31
"""Maximum size of all inputs together."""
NPZ = "arrays in an .npz file"

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An input as the file states it."""

    name: str
    dtype: str
    """As numpy names it."""
    shape: tuple[int | str | None, ...]
    """Sizes; open ones as their name, or None."""
    vocabulary: int | None = None
    """Number of rows of the table that it indexes; None if it indexes none."""


def resolve_shapes(
    specs: Sequence[InputSpec], requested: Mapping[str, tuple[int, ...]], batch: int, source: object
) -> dict[str, tuple[int, ...]]:
    """Complete shapes by input. Open sizes of one name are equal in all inputs; a lone open batch is `batch`.

    Raises BadFile, which names the input, what is expected and what was found.
    """
    names = {spec.name for spec in specs}
    if unknown := sorted(set(requested) - names):
        raise BadFile(source, f"an input named {one_line(unknown[0], 80)!r}", _names(names))
    known: dict[str, int] = {}
    for spec in specs:
        if spec.name in requested:
            _match(spec, requested[spec.name], known, source)
    found = {}
    for spec in specs:
        sizes = list(requested.get(spec.name, spec.shape))
        sizes = [known.get(size, size) if isinstance(size, str) else size for size in sizes]
        if sizes and not isinstance(sizes[0], int):
            sizes[0] = batch
        if not all(isinstance(size, int) for size in sizes):
            raise BadFile(
                source,
                f"whole sizes of its input {one_line(spec.name, 80)!r}",
                f"{_sizes(spec.shape)}; give them with: --shape {one_line(spec.name, 80)}={_example(spec.shape)}",
            )
        found[spec.name] = tuple(int(size) for size in sizes if isinstance(size, int))
    _check_batch(specs, found, batch, source)
    return found


def _match(spec: InputSpec, shape: tuple[int, ...], known: dict[str, int], source: object) -> None:
    """Check a requested shape against the file's, and learn the open sizes by name."""
    fits = len(shape) == len(spec.shape)
    for size, given in zip(spec.shape, shape, strict=False):
        fits = fits and given >= 0 and (not isinstance(size, int) or size == given)
        fits = fits and (not isinstance(size, str) or known.setdefault(size, given) == given)
    if not fits:
        raise BadFile(
            source,
            f"sizes that its input {one_line(spec.name, 80)!r} can take, {_sizes(spec.shape)}",
            _sizes(shape),
        )


def _check_batch(specs: Sequence[InputSpec], found: Mapping[str, tuple[int, ...]], batch: int, source: object) -> None:
    """Refuse a file that fixes another batch than the target's: it is another network."""
    if batch == 1 or not specs or any(batch in shape[:2] for shape in found.values()):
        return
    name, shape = next(iter(found.items()))
    raise BadFile(
        source,
        f"an input of the target's batch, {batch}",
        f"{one_line(name, 80)!r} of {_sizes(shape)}; name a target of that batch, or export it with an open one",
    )


def random_values(specs: Sequence[InputSpec], shapes: Mapping[str, tuple[int, ...]], source: object) -> Values:
    """Random values of every input, the same for the same file. Raises BadFile if they take more than 2 GiB."""
    _check_size(specs, shapes, source)
    return {
        spec.name: _random(spec, shapes[spec.name], np.random.default_rng([SEED, place]))
        for place, spec in enumerate(specs)
    }


def _random(spec: InputSpec, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Floats are normal; ids are within their vocabulary; 8-bit integers take their range; others are ones."""
    kind = np.dtype(spec.dtype)
    if np.issubdtype(kind, np.floating):
        values = rng.standard_normal(shape, dtype=np.float32)
        return np.asarray(np.where(values == 0, np.float32(1), values)).astype(kind)
    if spec.vocabulary is not None and spec.vocabulary > 1:
        high = min(spec.vocabulary - 1, int(np.iinfo(kind).max)) if kind != np.bool_ else 1
        return np.asarray(rng.integers(1, high, shape, endpoint=True)).astype(kind)
    if kind.itemsize == 1 and kind != np.bool_:
        limits = np.iinfo(kind)
        values = np.asarray(rng.integers(limits.min, limits.max, shape, endpoint=True))
        return np.where(values == 0, 1, values).astype(kind)
    fill = 0 if spec.vocabulary == 1 else 1  # the only row of a table is its first
    return np.full(shape, fill, kind)


def _check_size(specs: Sequence[InputSpec], shapes: Mapping[str, tuple[int, ...]], source: object) -> None:
    total = sum(math.prod(shapes[spec.name]) * np.dtype(spec.dtype).itemsize for spec in specs)
    if total > MAX_INPUT_BYTES:
        raise BadFile(source, f"inputs of at most {MAX_INPUT_BYTES / 2**30:.0f} GiB", f"{total / 2**30:.0f} GiB")


def read_values(path: Path, specs: Sequence[InputSpec], source: object) -> Values:
    """Real values of every input from an `.npz` file, which is never unpickled.

    Raises BadFile: which input lacks an array, or has one of another type or shape, expected and found.
    """
    arrays = _load(path)
    known: dict[str, int] = {}
    found: dict[str, Array] = {}
    for spec in specs:
        if spec.name not in arrays:
            raise BadFile(path, f"an array for the input {one_line(spec.name, 80)!r}", _names(arrays))
        array = arrays[spec.name]
        if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
            raise BadFile(path, f"{one_line(spec.name, 80)!r} as {spec.dtype}", str(array.dtype))
        _match(spec, array.shape, known, path)
        converted = array.astype(spec.dtype)
        if array.dtype.kind in "iu" and not np.array_equal(converted, array):
            raise BadFile(path, f"{one_line(spec.name, 80)!r} in the range of {spec.dtype}", "a number beyond it")
        if spec.vocabulary is not None and array.size and not 0 <= int(array.max()) < spec.vocabulary:
            high = spec.vocabulary - 1
            raise BadFile(path, f"{one_line(spec.name, 80)!r} from 0 to {high}", f"{int(array.max())}")
        found[spec.name] = converted
    if unknown := sorted(set(arrays) - set(found)):
        raise BadFile(path, f"arrays for the inputs of {source} only", f"one more, {one_line(unknown[0], 80)!r}")
    return found


def _load(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise BadFile(path, NPZ, "no such file" if not path.exists() else "no regular file")
    with reading(path, NPZ):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_INPUT_BYTES:
            raise BadFile(path, f"at most {MAX_INPUT_BYTES / 2**30:.0f} GiB of arrays", f"{size / 2**30:.0f} GiB")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def described_inputs(values: Values, real: bool) -> tuple[FileTensor, ...]:
    """The inputs as they are put in, with the range of random values."""
    return tuple(
        FileTensor(name, str(array.dtype), array.shape, *_range(array, real)) for name, array in values.items()
    )


def _range(array: Array, real: bool) -> tuple[float | None, float | None]:
    if real or not array.size:
        return None, None
    return float(np.min(array)), float(np.max(array))


def values_sha256(packed: bytes) -> str:
    """The hash of packed values."""
    return hashlib.sha256(packed).hexdigest()


def _names(names: object) -> str:
    listed = sorted(names) if isinstance(names, set | dict) else []
    return one_line(f"{', '.join(listed[:8]) or 'none'}{' …' if len(listed) > 8 else ''}", 200)


def _sizes(shape: Sequence[int | str | None]) -> str:
    return "x".join(str(size) if isinstance(size, int) else "?" for size in shape) or "a single number"


def _example(shape: Sequence[int | str | None]) -> str:
    return ",".join(
        str(size) if isinstance(size, int) else "1" if not place else "128" for place, size in enumerate(shape)
    )
