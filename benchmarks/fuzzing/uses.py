"""Uses of an accepted file: what the next command would do. All raise as latkit does."""

from __future__ import annotations

from benchmarks.fuzzing.uses_base import TARGET_NAME, known_space
from benchmarks.fuzzing.uses_devices import DeviceUses
from benchmarks.fuzzing.uses_models import ModelUses
from benchmarks.fuzzing.uses_search import SearchUses


class Uses(SearchUses, ModelUses, DeviceUses):
    """All of them."""


__all__ = ["TARGET_NAME", "Uses", "known_space"]
