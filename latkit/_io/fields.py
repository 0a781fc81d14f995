"""Fields that records of several packages share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from latkit._io.reading import MAX_SEED

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""Every library takes it."""
