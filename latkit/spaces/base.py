"""The protocol of a search space: its choices, and what follows from them."""

from __future__ import annotations

import math
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from latkit._io import html_card, one_line_repr, to_polars, write_record
from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape

Architecture = tuple[int, ...]
"""The index of one option per choice, in the order of `Space.choices`."""

MAX_DRAWS = 10_000
"""Maximum draws in a row that `check` may refuse."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Requires that an earlier choice takes one of some options."""

    choice: int
    """Position of the earlier choice."""
    options: frozenset[int]


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision of a space.

    A choice is active where all its conditions hold and the choices that they name are active; elsewhere its option has
    no effect. A tied choice always takes the option of an earlier one.
    """

    name: str
    options: tuple[str, ...]
    """A title of each option, for people."""
    active_when: tuple[Condition, ...] = ()
    tied_to: int | None = None
    """Position of an earlier free choice with as many options; None for a free choice."""


class Space(ABC):
    """A set of architectures, each of which decodes to a network.

    An implementation gives the abstract members, and overrides others where it knows better: `check` where not every
    combination of options is valid, `canonical` where several architectures decode to equal networks.
    """

    name: str
    is_nested: ClassVar[bool] = False
    """Whether its networks are parts of a largest one, with fewer ops and channels, and smaller kernels."""
    supernet: ClassVar[str] = ""
    """The kind of its supernet, by name; empty where none is known."""

    @property
    @abstractmethod
    def choices(self) -> tuple[Choice, ...]:
        """The choices, one at least; conditions and ties name earlier ones."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Hash of the space's content. The name is not part of it."""

    @property
    @abstractmethod
    def input_shape(self) -> Shape:
        """Shape of the input, without the batch."""

    @property
    @abstractmethod
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""

    @abstractmethod
    def ops(self) -> tuple[Op, ...]:
        """The distinct ops that take time: what a target has to measure."""

    @abstractmethod
    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture. Raises UsageError as `check` does."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """The space as a JSON document, whose `format` says what reads it; see `load_saved`."""

    def candidates(self) -> tuple[tuple[Op, ...], ...]:
        """For every choice, the op of each option; nothing where options are not ops."""
        return ()

    def layer_ops(self, architecture: Sequence[int]) -> tuple[tuple[str, Op], ...]:  # noqa: ARG002 - others have layers
        """The layers of an architecture by name, skips included, with their ops; nothing where layers have no names."""
        return ()

    @property
    def size(self) -> int:
        """Number of combinations of options; some may be inactive, or decode to equal networks."""
        return math.prod(len(choice.options) for choice in self.choices if choice.tied_to is None)

    def check(self, architecture: Sequence[int]) -> Architecture:
        """Return the architecture if it belongs to this space; raise UsageError otherwise."""
        choices = self.choices
        if len(architecture) != len(choices):
            raise UsageError(
                f"space {self.name}: expected an architecture of {len(choices)} choices, but found {len(architecture)}"
            )
        for index, choice in zip(architecture, choices, strict=True):
            if not 0 <= index < len(choice.options):
                raise UsageError(
                    f"choice {choice.name}: expected an option from 0 to {len(choice.options) - 1}, but found {index}"
                )
            if choice.tied_to is not None and architecture[choice.tied_to] != index:
                raise UsageError(
                    f"choice {choice.name}: expected option {architecture[choice.tied_to]} as in choice "
                    f"{choices[choice.tied_to].name}, which it is tied to, but found {index}"
                )
        return tuple(int(index) for index in architecture)

    def active(self, architecture: Sequence[int]) -> tuple[bool, ...]:
        """Whether each choice is active in this architecture."""
        found: list[bool] = []
        for choice in self.choices:
            conditions = choice.active_when
            found.append(all(found[one.choice] and architecture[one.choice] in one.options for one in conditions))
        return tuple(found)

    def sample(self, rng: random.Random) -> Architecture:
        """A valid architecture, with the option of every free choice drawn uniformly. Raises UsageError."""
        return self.draw(rng.randrange)

    def draw(self, pick: Callable[[int], int]) -> Architecture:
        """A valid architecture whose free choices `pick` draws: it takes the number of options, and gives one of them.

        Raises UsageError where no draw is valid.
        """
        for _ in range(MAX_DRAWS):
            drawn: list[int] = []
            for choice in self.choices:
                drawn.append(pick(len(choice.options)) if choice.tied_to is None else drawn[choice.tied_to])
            if self._is_valid(drawn):
                return tuple(drawn)
        raise UsageError(f"space {self.name}: expected a valid architecture in {MAX_DRAWS} draws, but found none")

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """The representative of all architectures that decode to the same network.

        Here: option 0 for choices that are not active. Raises UsageError as `check` does.
        """
        checked = self.check(architecture)
        return tuple(index if is_used else 0 for index, is_used in zip(checked, self._used(checked), strict=True))

    def neighbors(self, architecture: Sequence[int]) -> Iterator[Architecture]:
        """The valid architectures that differ in one active choice, and in what is tied to it."""
        checked, choices = self.check(architecture), self.choices
        for position, (choice, is_used) in enumerate(zip(choices, self._used(checked), strict=True)):
            if not is_used or choice.tied_to is not None:
                continue
            moves = [other == position or one.tied_to == position for other, one in enumerate(choices)]
            for option in range(len(choice.options)):
                if option != checked[position]:
                    found = [option if moved else index for index, moved in zip(checked, moves, strict=True)]
                    if self._is_valid(found):
                        yield tuple(found)

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        """A vector of fixed length for predictors: one number per option of every free choice.

        1 for the option taken, 0 for the others; all 0 where the choice is not active.
        """
        checked = self.check(architecture)
        found: list[float] = []
        for index, is_used, choice in zip(checked, self._used(checked), self.choices, strict=True):
            if choice.tied_to is None:
                found += [float(is_used and option == index) for option in range(len(choice.options))]
        return tuple(found)

    def inner_shapes(self) -> tuple[Shape, ...]:
        """The shapes of tensors between two ops; none where they are not known, as of networks that are no chains."""
        return ()

    def holds(self, network: Network) -> bool:
        """Whether some architecture may decode to the network.

        Here: whether shapes and ops are the space's, which is necessary. Spaces that can tell override it.
        """
        same_shapes = (network.input_shape, network.output_shape) == (self.input_shape, self.output_shape)
        return same_shapes and set(self.ops()).issuperset(network.ops)

    def chain_at(self, resolution: int | None = None, width: float | None = None) -> Space:  # noqa: ARG002
        """The chain that a search by gradient runs on, by default of the largest resolution and width.

        Raises UsageError for others that the space lacks, and where the space is no chain.
        """
        raise UsageError(f"a search by gradient: expected a chain or an elastic space, but found space {self.name}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the space as JSON, atomically."""
        write_record(path, self.to_json())

    def to_polars(self) -> Any:
        """A `polars.DataFrame` with a row for every option of every choice."""
        return to_polars(self._rows())

    def __repr__(self) -> str:
        return one_line_repr(type(self).__name__, self.name, self._facts())

    def _repr_html_(self) -> str:
        rows = [{"choice": choice.name, "options": ", ".join(choice.options)} for choice in self.choices]
        return html_card(f"{type(self).__name__} {self.name}", self._facts(), rows)

    def _facts(self) -> dict[str, object]:
        return {
            "choices": len(self.choices),
            "architectures": f"{self.size:.3g}",
            "ops to measure": len(self.ops()),
            "input": "×".join(map(str, self.input_shape)),
            "output": "×".join(map(str, self.output_shape)),
        }

    def _rows(self) -> list[dict[str, object]]:
        return [
            {"choice": choice.name, "option": number, "title": title}
            for choice in self.choices
            for number, title in enumerate(choice.options)
        ]

    def _used(self, architecture: Sequence[int]) -> tuple[bool, ...]:
        """Whether each choice, or another one of those tied together, is active."""
        leaders = [at if choice.tied_to is None else choice.tied_to for at, choice in enumerate(self.choices)]
        active = self.active(architecture)
        used = {leader for leader, is_active in zip(leaders, active, strict=True) if is_active}
        return tuple(leader in used for leader in leaders)

    def _is_valid(self, architecture: Sequence[int]) -> bool:
        try:
            self.check(architecture)
        except UsageError:
            return False
        return True
