"""A model that is ready to run, and its inputs."""

from __future__ import annotations

import os
from typing import Any, Callable  # noqa: UP035 - Python 3.8 runs this

from .requests import Fields, RequestError, required_field

SEED = 20181202
MAX_BOUND_INPUTS = 1024
FLOATS = ("float32", "float16", "float64")
BOUND_DTYPES = (*FLOATS, "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")


class Loaded:
    """A model ready to run: `run` is one inference with everything bound, `time_run` one with its wall time in ns."""

    def __init__(self, run: Callable[[], object], delegate: str, version: str, inputs: list[Fields]) -> None:
        self.run = run
        self.delegate = delegate
        self.version = version
        self.inputs = inputs
        self.device_ns: Callable[[], int] | None = None
        self.create_s: float | None = None
        """Seconds until the model could be run for the first time."""
        self.first_run_s: float | None = None
        self.profile: Callable[[int, float], Fields] | None = None
        """Profiles up to that many runs, for up to that many seconds; see `profile` in the protocol."""
        self.ops: list[Fields] = []
        """The last profile's ops."""
        self.trace = ""
        """Beginning of the paths of files that its runtime may leave behind."""


def random_input(shape: list[int], kind: str, seed: int) -> Any:
    """Normal random numbers, never zeros: some kernels are faster on zeros."""
    import numpy

    values = numpy.random.RandomState(seed).standard_normal(shape)
    if numpy.issubdtype(numpy.dtype(kind), numpy.floating):
        return values.astype(kind)
    return (values * 30).astype(kind)


def concrete(shape: list[Any], batch: int) -> list[int]:
    """A shape with its free batch filled in."""
    sizes = [batch if index == 0 and not (isinstance(n, int) and n > 0) else n for index, n in enumerate(shape)]
    if not all(isinstance(n, int) and n > 0 for n in sizes):
        raise RequestError("bad-model", f"expected an input with a fixed shape, but found {shape}")
    return sizes


def given_array(given: Fields, name: str) -> Any:
    """The values of an input."""
    if name not in given:
        raise RequestError("bad-request", f"expected values of the input {name!r}, but found {sorted(given)!r:.200}")
    return given[name]


def described(name: str, array: Any) -> Fields:
    """An input as it is reported."""
    return {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}


def bound_array(path: str, entry: Any) -> tuple[str, Any]:
    """Name and values of an input: a part of a file, in C order and little-endian."""
    import numpy

    if not isinstance(entry, dict):
        raise RequestError("bad-request", f"expected an input as an object, but found {entry!r:.100}")
    name, dtype = required_field(entry, "name", str), required_field(entry, "dtype", str)
    shape, offset = required_field(entry, "shape", list), required_field(entry, "offset", int)
    if dtype not in BOUND_DTYPES or not all(type(size) is int and 0 <= size <= 2**40 for size in shape):
        raise RequestError("bad-request", f"expected an input of numbers, but found {dtype!r:.40} of {shape!r:.100}")
    count = 1
    for size in shape:
        count *= size
    if offset + count * numpy.dtype(dtype).itemsize > os.path.getsize(path):  # noqa: PTH202
        raise RequestError("bad-request", f"expected the values of {name!r:.100} within their file")
    return name, numpy.fromfile(path, dtype=dtype, count=count, offset=offset).reshape(shape)
