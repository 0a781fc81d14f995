"""The target: device, runtime and settings. A latency is only meaningful for a target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from latkit.errors import UsageError
from latkit.runtimes import get_runtime

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.IGNORECASE)
"""Valid device names. A name is also a file name, so it cannot contain a path separator."""


def check_name(name: str, what: str) -> str:
    """Return a name that is safe as a file name, or raise UsageError."""
    if not NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"expected {what} made of letters, digits, '_', '-' and '.', beginning with a letter or digit, "
            f"but found {name!r}"
        )
    return name


@dataclass(frozen=True, slots=True)
class Target:
    """Device, runtime and settings, written `DEVICE/RUNTIME-tTHREADS-PRECISION-bBATCH`."""

    device: str
    runtime: str
    threads: int = 1
    precision: str = "fp32"
    batch: int = 1

    def __post_init__(self) -> None:
        check_name(self.device, "a device's name")
        precisions = get_runtime(self.runtime).precisions
        if self.precision not in precisions:
            raise UsageError(
                f"unknown precision {self.precision!r}; known precisions of {self.runtime}: {', '.join(precisions)}"
            )
        if self.threads < 1 or self.batch < 1:
            raise UsageError(f"expected at least one thread and a batch of at least one in {self}")

    def __str__(self) -> str:
        return f"{self.device}/{self.runtime}-t{self.threads}-{self.precision}-b{self.batch}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `pi4/tflite-t4-fp32-b1`, or a prefix of it: `pi4/tflite` is short for `-t1-fp32-b1`.
        Raises UsageError.
        """
        device, slash, rest = text.partition("/")
        if not slash or not rest or "/" in rest:
            raise UsageError(f"expected a target as DEVICE/RUNTIME, for example pi4/tflite-t4, but found {text!r}")
        runtime, *settings = rest.split("-")
        precisions = get_runtime(runtime).precisions
        threads, precision, batch = 1, precisions[0], 1
        used: set[str] = set()
        for setting in _joined(settings, precisions):
            if match := re.fullmatch(r"([tb])([1-9][0-9]{0,5})", setting):
                what, value = match[1], int(match[2])
                threads, batch = (value, batch) if what == "t" else (threads, value)
            elif setting in precisions:
                what, precision = "precision", setting
            else:
                raise UsageError(
                    f"expected settings such as t4, fp32 or b1 in target {text!r}, but found {setting!r} "
                    f"(precisions: {', '.join(precisions)})"
                )
            if what in used:
                raise UsageError(f"target {text!r} gives a setting twice: {setting!r}")
            used.add(what)
        return cls(device, runtime, threads, precision, batch)


def _joined(settings: Sequence[str], precisions: Sequence[str]) -> Iterator[str]:
    """The settings, with precisions of two words such as `int8-dynamic` as one setting."""
    places = iter(range(len(settings)))
    for place in places:
        pair = "-".join(settings[place : place + 2])
        if pair in precisions and pair != settings[place]:
            next(places)
            yield pair
        else:
            yield settings[place]
