"""How an op is drawn: the text, color and height of its block in the report's pictures of networks."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN_COLOR = "#b9c1ca"
"""Of kinds without a color of their own."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The block of an op."""

    label: str
    """The op's variant, such as `k5 e6`; the kind's name where it has no variants."""
    lines: tuple[str, ...]
    """The same in a narrow block: at most two lines of at most six characters."""
    color: str = PLAIN_COLOR
    meaning: str = ""
    """What the color means, such as `kernel 5`; empty for the color of all other ops."""
    units: int = 0
    """Units of height that a narrow block has beyond the minimum, such as the expansion."""
    legend: str = ""
    """The letters of the label, such as `k: kernel, e: expansion`."""

    @property
    def short(self) -> str:
        """The label without spaces, for lists of ops."""
        return self.label.replace(" ", "")
