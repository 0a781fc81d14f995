"""The chain: a space of layers in order, each with its candidate ops."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from latkit._io import check_label, reading_json
from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape, digest
from latkit.spaces.base import Architecture, Choice, Space

FORMAT: Literal["latkit-space-1"] = "latkit-space-1"

MAX_LAYERS = 1000
MAX_CANDIDATES = 4096
"""Of one layer."""
MAX_OPS = 50_000
"""Candidates of all layers together."""
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Layer:
    """The candidates of one position in the chain; all have the same input and output shape."""

    name: str
    candidates: tuple[Op, ...]

    def __post_init__(self) -> None:
        check_label(self.name, "a layer's name")
        if not 1 <= len(self.candidates) <= MAX_CANDIDATES:
            raise UsageError(
                f"layer {self.name}: expected at least one candidate and at most {MAX_CANDIDATES}, "
                f"but found {len(self.candidates)}"
            )
        if len(set(self.candidates)) != len(self.candidates):
            raise UsageError(f"layer {self.name}: a candidate stands there twice")
        first = self.candidates[0]
        for op in self.candidates[1:]:
            if (op.input_shape, op.output_shape) != (first.input_shape, first.output_shape):
                raise UsageError(
                    f"layer {self.name}: {first.title} gives {first.output_shape} from {first.input_shape}, "
                    f"but {op.title} gives {op.output_shape} from {op.input_shape}"
                )

    @property
    def is_choice(self) -> bool:
        """Whether there are several candidates."""
        return len(self.candidates) > 1


@dataclass(frozen=True, repr=False)
class ChainSpace(Space):
    """A chain of layers. A layer with several candidates is a choice; one with a single candidate is fixed."""

    supernet: ClassVar[str] = "chain"
    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        check_label(self.name, "a space's name")
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise UsageError(
                f"space {self.name}: expected at least one layer and at most {MAX_LAYERS}, but found {len(self.layers)}"
            )
        if (count := sum(len(layer.candidates) for layer in self.layers)) > MAX_OPS:
            raise UsageError(f"space {self.name}: expected at most {MAX_OPS} candidates, but found {count}")
        if not self.choice_layers:
            raise UsageError(f"space {self.name}: expected a layer with several candidates, but every layer is fixed")
        if all(any(op.is_identity for op in layer.candidates) for layer in self.layers):
            raise UsageError(f"space {self.name}: expected a layer without a skip, but every layer can be left out")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            gives, expects = before.candidates[0].output_shape, after.candidates[0].input_shape
            if gives != expects:
                raise UsageError(
                    f"space {self.name}: layer {before.name} gives {gives}, but {after.name} expects {expects}"
                )

    @property
    def key(self) -> str:
        """Hash of the layers and their candidates."""
        return digest([[op.to_json() for op in layer.candidates] for layer in self.layers])

    @cached_property
    def choice_layers(self) -> tuple[Layer, ...]:
        """The layers with several candidates, in order: one per choice."""
        return tuple(layer for layer in self.layers if layer.is_choice)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """One choice per layer with several candidates, which are its options."""
        return tuple(Choice(layer.name, tuple(op.title for op in layer.candidates)) for layer in self.choice_layers)

    @property
    def input_shape(self) -> Shape:
        """Shape of the input, without the batch."""
        return self.layers[0].candidates[0].input_shape

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return self.layers[-1].candidates[0].output_shape

    def ops(self) -> tuple[Op, ...]:
        """The distinct ops that take time, in the order of first appearance. Skips are identities and left out."""
        every = (op for layer in self.layers for op in layer.candidates if not op.is_identity)
        return tuple(dict.fromkeys(every))

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture. Skips are left out, since they are absent from what is exported."""
        return Network(tuple(op for _, op in self.layer_ops(architecture) if not op.is_identity), name)

    def layer_ops(self, architecture: Sequence[int]) -> tuple[tuple[str, Op], ...]:
        """The name and the chosen op of every layer."""
        chosen = iter(self.check(architecture))
        return tuple((layer.name, layer.candidates[next(chosen) if layer.is_choice else 0]) for layer in self.layers)

    def candidates(self) -> tuple[tuple[Op, ...], ...]:
        """The candidates of every layer that has several."""
        return tuple(layer.candidates for layer in self.choice_layers)

    def encode(self, network: Network) -> Architecture:
        """The architecture of a network of this space: the first that decodes to it. Raises UsageError if none does."""
        found = self._match(network.ops)
        if found is None:
            raise UsageError(f"{network.title} is not a network of space {self.name}")
        return self._passed_on(found)

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """The first of all architectures that decode to the same network: skips of equal layers may trade places."""
        found = self._match(self.decode(architecture).ops)
        assert found is not None
        return self._passed_on(found)

    def inner_shapes(self) -> tuple[Shape, ...]:
        """Those of the layers' outputs, but for the last."""
        return tuple(dict.fromkeys(layer.candidates[0].output_shape for layer in self.layers[:-1]))

    def holds(self, network: Network) -> bool:
        """Whether some architecture of this space decodes to the network."""
        return self._match(network.ops) is not None

    def chain_at(self, resolution: int | None = None, width: float | None = None) -> ChainSpace:
        """The space itself. Raises UsageError for another resolution, and for a width."""
        if resolution not in (None, self.input_shape[-1]) or width is not None:
            raise UsageError(
                f"space {self.name}: expected a resolution of {self.input_shape[-1]} and no width, but found "
                f"{resolution or self.input_shape[-1]} and {'none' if width is None else f'{width:g}'}"
            )
        return self

    def to_json(self) -> dict[str, object]:
        """The space as a JSON document."""
        layers = [
            {"name": layer.name, "candidates": [op.to_json() for op in layer.candidates]} for layer in self.layers
        ]
        return {"format": FORMAT, "name": self.name, "layers": layers}

    @classmethod
    def from_json(cls, document: object) -> ChainSpace:
        """The space that `to_json` gave. Raises ValidationError, UsageError."""
        entry = _SpaceEntry.model_validate(document)
        layers = (Layer(one.name, tuple(map(Op.from_json, one.candidates))) for one in entry.layers)
        return cls(entry.name, tuple(layers))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ChainSpace:
        """Read a chain that `save` wrote. Raises BadFile."""
        with reading_json(path, f"a search space of format {FORMAT!r}", MAX_BYTES) as document:
            return cls.from_json(document)

    @cached_property
    def _positions(self) -> tuple[dict[Op, int], ...]:
        """The index of every candidate, layer by layer."""
        return tuple({op: index for index, op in enumerate(layer.candidates)} for layer in self.layers)

    @cached_property
    def _skips(self) -> tuple[int | None, ...]:
        """The index of the skip, layer by layer; None where there is none."""
        return tuple(next((i for i, op in enumerate(one.candidates) if op.is_identity), None) for one in self.layers)

    def _passed_on(self, architecture: Architecture) -> Architecture:
        """The same network, with every skip in the precision of the op before it where the layer has that."""
        chosen, precision = iter(architecture), ""
        found: list[int] = []
        for layer in self.layers:
            index = next(chosen) if layer.is_choice else 0
            if layer.candidates[index].is_identity:
                same = (i for i, op in enumerate(layer.candidates) if op.is_identity and op.precision == precision)
                index = next(same, index)
            precision = layer.candidates[index].precision
            found += [index] if layer.is_choice else []
        return tuple(found)

    def _match(self, ops: tuple[Op, ...]) -> Architecture | None:
        """The first architecture that decodes to `ops`, with skips for missing layers; None if there is none.

        A backward pass counts the ops that may come before each layer; a forward pass assigns them. So it takes layers
        x ops steps, wherever the skips are.
        """
        places, skips = self._positions, self._skips
        after: list[set[int]] = [{len(ops)}]
        for place, skip in zip(reversed(places), reversed(skips), strict=True):
            before = {count - 1 for count in after[-1] if count > 0 and ops[count - 1] in place}
            after.append(before if skip is None else before | after[-1])
        after.reverse()
        if 0 not in after[0]:
            return None
        chosen: list[int] = []
        count = 0
        for layer, place, skip, rest in zip(self.layers, places, skips, after[1:], strict=True):
            fits = [] if skip is None or count not in rest else [(skip, count)]
            if count + 1 in rest and ops[count] in place:
                fits.append((place[ops[count]], count + 1))
            index, count = min(fits)
            chosen += [index] if layer.is_choice else []
        return tuple(chosen)


def as_chain(space: Space, needed_by: str) -> ChainSpace:
    """The space as a chain, for code that needs layers. Raises UsageError for another space, naming what needs it."""
    if not isinstance(space, ChainSpace):
        raise UsageError(f"{needed_by}: expected a space that is a chain of layers, but found space {space.name}")
    return space


class _LayerEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    candidates: list[dict[str, Any]]


class _SpaceEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    format: Literal["latkit-space-1"]
    name: str
    layers: list[_LayerEntry]
