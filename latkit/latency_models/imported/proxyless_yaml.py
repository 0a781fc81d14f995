"""Latency tables of ProxylessNAS and Once-for-all: YAML files of milliseconds, by a key that encodes an op.

Both name a layer by its type and shapes (height x width x channels), and a block by its attributes as well.
ProxylessNAS writes the expansion ratio of a block (`expand:6`), Once-for-all its number of inner channels
(`expand:144`), and whether it has squeeze-and-excite (`se`) and h-swish (`hs`).
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, Field, TypeAdapter

from latkit._io import read_bytes, reading, write_text
from latkit.errors import UsageError
from latkit.latency_models.base import Origin
from latkit.latency_models.calibration.model import Calibration
from latkit.latency_models.imported.flat_yaml import parse_flat_yaml
from latkit.latency_models.lookup import LookupModel
from latkit.ops import Op, Shape, make_op
from latkit.targets import Target
from latkit.timing import Environment, Estimate

MIDDLE_90 = 1.645
"""Standard deviations on either side that contain 90 % of a normal distribution."""


MAX_BYTES = 16 * 2**20
MIN_MS, MAX_MS = 1e-9, 1e9
"""Valid milliseconds of one op in a table: from a picosecond to eleven days. Values outside are mistakes."""

BLOCK, POOLING, CLASSIFIER = "mbconv", "pool", "linear"
"""The op kinds of the parts of a network that both projects' files describe, beside `conv`."""
GATED_BLOCK = "mbconv_se"
"""That of Once-for-all's blocks with squeeze-and-excite."""

Milliseconds = Annotated[float, Field(ge=MIN_MS, le=MAX_MS, allow_inf_nan=False)]


class Entry(BaseModel):
    """One key's latency in milliseconds, over some runs.

    Once-for-all gives the standard deviation of the runs, some tables of ProxylessNAS their variance, others neither.
    """

    mean: Milliseconds
    std: float | None = Field(None, ge=0, le=MAX_MS, allow_inf_nan=False)
    var: float | None = Field(None, ge=0, le=MAX_MS**2, allow_inf_nan=False)
    count: int = Field(1, ge=1, le=2**63 - 1)

    @property
    def spread(self) -> float | None:
        """Standard deviation in milliseconds; None where the table gives none, or zero, as for a single run."""
        return (math.sqrt(self.var) if self.std is None and self.var is not None else self.std) or None

    @property
    def latency(self) -> Estimate:
        """In seconds, with an interval for single runs where the spread is known."""
        if self.spread is None:
            return Estimate(self.mean / 1e3, None, None)
        half = MIDDLE_90 * self.spread
        return Estimate(self.mean / 1e3, max(self.mean - half, 0.0) / 1e3, (self.mean + half) / 1e3)


_ENTRIES = TypeAdapter(dict[str, Entry])


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A table as in its file. `source` names the file and its SHA-256: none of it was measured here."""

    entries: Mapping[str, Entry]
    source: str
    content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> KeyTable:
        """Read a YAML file; nothing in it is executed or expanded. Raises BadFile."""
        expected = "a latency table of ProxylessNAS or Once-for-all as YAML"
        content = read_bytes(path, expected, MAX_BYTES)
        with reading(path, expected):
            entries = _ENTRIES.validate_python(parse_flat_yaml(content))
            if not entries:
                raise UsageError("no key in it")
            return cls(entries, f"{Path(path).name}, SHA-256 {hashlib.sha256(content).hexdigest()}", content)

    def ops(self) -> dict[Op, Estimate]:
        """Seconds of every key that is an op of latkit, with an interval where the table gives a deviation.

        ProxylessNAS's `Logits` includes the pooling before it: the linear op gets all of its time, and the pooling
        none.
        """
        found: dict[Op, Estimate] = {}
        for key, entry in self.entries.items():
            ops = ops_of(key)
            found |= {op: Estimate(0.0, 0.0, 0.0) for op in ops[:-1]} | dict.fromkeys(ops[-1:], entry.latency)
        return found


def ops_of(key: str) -> list[Op]:
    """The op, or ops in order, of a key; none where latkit has no such op."""
    head, *fields = key.split("-")
    attributes = dict(part.split(":", 1) for part in fields if ":" in part)
    try:
        with reading(head, "a key of ProxylessNAS or Once-for-all"):  # a key may contain any text
            given, output = _shape(attributes["input"]), _shape(attributes["output"])
            return _BUILDERS[head](given, output, attributes)
    except UsageError:
        return []


def _shape(text: str) -> Shape:
    """Channels first, from `height x width x channels`; a single number stays a single number."""
    if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}x[0-9]{1,9})?", text):
        raise ValueError(text)
    *sizes, channels = (int(size) for size in text.split("x"))
    return channels, *sizes


def _conv(given: Shape, output: Shape, kernel: int) -> list[Op]:
    stride = -(-given[1] // output[1])
    return [make_op("conv", given, out_channels=output[0], kernel=kernel, stride=stride)]


def _block(given: Shape, output: Shape, attributes: Mapping[str, str]) -> list[Op]:
    inside = int(attributes["expand"])
    expansion, rest = (inside, 0) if "se" not in attributes else divmod(inside, given[0])
    if rest:
        return []
    activation = {"0": "relu", "1": "hswish"}[attributes["hs"]] if "hs" in attributes else "relu6"
    op = make_op(
        GATED_BLOCK if attributes.get("se", "0") != "0" else BLOCK,
        given,
        out_channels=output[0],
        kernel=int(attributes["kernel"]),
        stride=int(attributes["stride"]),
        expansion=expansion,
        activation=activation,
        residual=attributes["idskip"] == "1",
    )
    return [op] if op.output_shape == output else []


def _logits(given: Shape, output: Shape) -> list[Op]:
    linear = make_op(CLASSIFIER, given[:1], out_features=output[0])
    return [linear] if given[1:] in ((), (1, 1)) else [make_op(POOLING, given), linear]


_BUILDERS: dict[str, Callable[[Shape, Shape, Mapping[str, str]], list[Op]]] = {
    "Conv": lambda given, output, _: _conv(given, output, 3),
    "Conv_1": lambda given, output, _: _conv(given, output, 1),
    "Conv_2": lambda given, output, _: _conv(given, output, 1),
    "AvgPool2D": lambda given, _output, _attributes: [make_op(POOLING, given)],
    "Logits": lambda given, output, _: _logits(given, output),
    "expanded_conv": _block,
}


def imported_model(table: KeyTable, target: Target) -> LookupModel:
    """A lookup model of an imported table; its origin says so, and its environment is unknown."""
    model = LookupModel()
    model.ops_ = table.ops()
    unknown = Environment("unknown", "unknown", "unknown", "unknown", 0, "unknown", "none", 0)
    model.origin_ = Origin(target, unknown, "imported", 0.0, frozenset(), imported=table.source)
    model.calibration_ = Calibration(0.0)
    return model


def key_of(op: Op) -> str:
    """ProxylessNAS's key of an op; of a linear op without the pooling before it. Raises UsageError if it has none."""
    key = _KEYS[op.kind](op) if op.kind in _KEYS else None
    if key is None:
        raise UsageError(f"ProxylessNAS has no key for {op.title}")
    return key


def _shapes(op: Op) -> str:
    return f"input:{_shape_text(op.input_shape)}-output:{_shape_text(op.output_shape)}"


def _conv_key(op: Op) -> str | None:
    return f"{'Conv' if op['kernel'] == 3 else 'Conv_1'}-{_shapes(op)}" if op["groups"] == 1 else None


def _block_key(op: Op) -> str:
    names = {"expand": "expansion", "kernel": "kernel", "stride": "stride", "idskip": "residual"}
    return "-".join(["expanded_conv", _shapes(op), *(f"{name}:{op.integer(ours)}" for name, ours in names.items())])


_KEYS: dict[str, Callable[[Op], str | None]] = {
    "conv": _conv_key,
    BLOCK: _block_key,
    CLASSIFIER: lambda op: f"Logits-{_shapes(op)}".replace("input:", "input:1x1x", 1),
}
"""What writes the key of an op, by the op's kind."""


def _shape_text(shape: Shape) -> str:
    return "x".join(map(str, (*shape[1:], shape[0])))


def write_keys(seconds: Mapping[Op, float], layers: Iterable[Op], path: str | os.PathLike[str]) -> int:
    """Write ops' seconds as ProxylessNAS's YAML, and return the number of keys.

    `layers` are the ops of a space in order: a pooling directly before a linear op is included in its key, as `Logits`.
    """
    entries: dict[str, dict[str, float]] = {}
    before: Op | None = None
    for op in layers:
        milliseconds = 1e3 * seconds[op]
        if op.kind == CLASSIFIER and before is not None and before.kind == POOLING:
            key = f"Logits-input:{_shape_text(before.input_shape)}-output:{_shape_text(op.output_shape)}"
            entries[key] = {"mean": milliseconds + 1e3 * seconds[before]}
        elif op.kind != POOLING:
            entries[key_of(op)] = {"mean": milliseconds}
        before = op
    write_text(path, yaml.safe_dump(entries, sort_keys=True))
    return len(entries)
