"""latkit-ghost-tiny-1: the space of `space.py`, saved as its parameters instead of op by op.

It names the supernet of `supernet.py`, so that the saved space has it again.
"""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.spaces import ChainSpace
from latkit_ghost.space import ghost_tiny

FORMAT = "latkit-ghost-tiny-1"


class GhostTinySpace(ChainSpace):
    """The space of a resolution for ten classes of color images."""

    supernet = "counted"

    def to_json(self) -> dict[str, object]:
        """The space as a JSON document."""
        return {"format": FORMAT, "resolution": self.input_shape[1]}

    @classmethod
    def from_json(cls, document: object) -> GhostTinySpace:
        """The space that `to_json` gave. Raises UsageError."""
        resolution = document.get("resolution") if isinstance(document, dict) else None
        if not isinstance(resolution, int):
            raise UsageError(f"expected a resolution, but found {resolution!r}")
        return cls("ghost-tiny", ghost_tiny(resolution).layers)
