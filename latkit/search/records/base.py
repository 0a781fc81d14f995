"""What records of training have in common: how they are stored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from latkit import _io


class Record(BaseModel):
    """A record saved as JSON: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    def save(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        _io.write_record(path, self.model_dump(mode="json"))


RecordType = TypeVar("RecordType", bound=BaseModel)


def load_record(kind: type[RecordType], path: Path, called: str = "") -> RecordType:
    """Load a record of a search from JSON. `called`: its name in errors. Raises BadFile."""
    return _io.load_record(path, kind, called or f"a {re.sub('(?<!^)(?=[A-Z])', ' ', kind.__name__).lower()}")
