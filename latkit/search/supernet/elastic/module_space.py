"""The space of a user's own elastic module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape, digest
from latkit.spaces import Choice, Condition, Space


@dataclass(frozen=True, repr=False)
class ModuleSpace(Space):
    """The sub-networks of a module, whose ops are not known: they are exported as files and measured as such."""

    name: str
    image_shape: Shape
    scores_shape: Shape
    dimensions: tuple[Choice, ...]

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Of resolution and blocks."""
        return self.dimensions

    @property
    def input_shape(self) -> Shape:
        """Shape of the largest input, without the batch."""
        return self.image_shape

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return self.scores_shape

    @property
    def key(self) -> str:
        """Hash of shapes and choices."""
        return digest({name: value for name, value in self.to_json().items() if name != "name"})

    def ops(self) -> tuple[Op, ...]:
        """None: its ops are not known."""
        return ()

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """Raises UsageError: a module's ops are not known."""
        self.check(architecture)
        raise UsageError(
            f"space {self.name}: expected a space of known ops, but found that of a module; export a sub-network with "
            f"torch.onnx.export(net.subnet(architecture), ...) and profile the file{f' {name}' if name else ''}"
        )

    def to_json(self) -> dict[str, object]:
        """For people: the module is not part of it, so it cannot be read back."""
        choices = [{"name": one.name, "options": list(one.options)} for one in self.choices]
        shapes = {"input_shape": list(self.input_shape), "output_shape": list(self.output_shape)}
        return {"format": "latkit-module-1", "name": self.name, **shapes, "choices": choices}


@dataclass(frozen=True, slots=True)
class Marks:
    """What is elastic in a marked block."""

    depths: tuple[int, ...] = ()
    channels: tuple[float, ...] = ()
    kernels: tuple[int, ...] = ()

    @property
    def options(self) -> dict[str, tuple[float, ...]]:
        """The options by dimension, where there are any."""
        every: dict[str, tuple[float, ...]] = {
            "depth": self.depths,
            "channels": self.channels,
            "kernel": self.kernels,
        }
        return {name: options for name, options in every.items() if options}


def choices_of(marks: dict[str, Marks], resolutions: Sequence[int]) -> tuple[Choice, ...]:
    """One choice for the resolution, and one for each dimension of each block; those of skipped blocks are inactive."""
    found = [Choice("resolution", tuple(map(str, resolutions)))] if len(resolutions) > 1 else []
    depth_at: dict[str, int] = {}
    for name, one in marks.items():
        active = tuple(
            Condition(at, frozenset(n for n, depth in enumerate(marks[outer].depths) if depth > _index(name, outer)))
            for outer, at in depth_at.items()
            if name.startswith(f"{outer}.block.")
        )
        for dimension, options in one.options.items():
            if dimension == "depth":
                depth_at[name] = len(found)
            found.append(Choice(f"{name}.{dimension}", tuple(f"{option:g}" for option in options), active))
    return tuple(found)


def _index(name: str, outer: str) -> int:
    """The place in an outer block's sequence that a block is in."""
    return int(name.removeprefix(f"{outer}.block.").partition(".")[0])
