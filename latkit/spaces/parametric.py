"""Spaces that follow from a few parameters: a record whose file holds the parameters."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

from latkit._io import check_label, one_line
from latkit.errors import UsageError
from latkit.ops import Shape, digest
from latkit.spaces.base import Space

MAX_RESOLUTION, MAX_CHANNELS, MAX_REPEATS, MAX_CLASSES = 1024, 4096, 32, 100_000


class ParametricSpace(Space):
    """Base of frozen dataclasses whose fields are the name of the space and its parameters, integers.

    Two of these are the resolution of its RGB images and its classes.
    """

    resolution: int
    classes: int
    format: ClassVar[str]
    """What files of this space have in their field `format`."""
    ranges: ClassVar[dict[str, tuple[int, int]]]
    """Minimum and maximum of each parameter."""
    resolution_divisor: ClassVar[int] = 1
    """What divides every resolution of this space, so that each halving of the images is even."""

    def __post_init__(self) -> None:
        check_label(self.name, "a space's name")
        for parameter, (minimum, maximum) in self.ranges.items():
            value = getattr(self, parameter)
            if type(value) is not int or not minimum <= value <= maximum:
                raise UsageError(
                    f"space {self.name}: expected {parameter} from {minimum} to {maximum}, "
                    f"but found {one_line(repr(value), 40)}"
                )

        if self.resolution % self.resolution_divisor:
            raise UsageError(
                f"space {self.name}: expected a resolution that {self.resolution_divisor} divides, "
                f"but found {self.resolution}"
            )

    @property
    def input_shape(self) -> Shape:
        """Shape of the input, without the batch."""
        return (3, self.resolution, self.resolution)

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return (self.classes,)

    @property
    def key(self) -> str:
        """Hash of the format and the parameters."""
        return digest(self._parameters())

    def to_json(self) -> dict[str, object]:
        """The space as a JSON document."""
        return {**self._parameters(), "name": self.name}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The space that `to_json` gave. Raises UsageError."""
        expected = {"format", *(field.name for field in fields(cls))}  # type: ignore[arg-type]
        if not isinstance(document, dict) or set(document) != expected or not isinstance(document["name"], str):
            raise UsageError(f"expected a space with the fields {', '.join(sorted(expected))}")
        return cls(**{name: value for name, value in document.items() if name != "format"})

    def _parameters(self) -> dict[str, Any]:
        parameters = asdict(self)  # type: ignore[call-overload]
        del parameters["name"]
        return {"format": self.format, **parameters}
