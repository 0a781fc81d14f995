"""A check of a device by the doctor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `ok` is None if it cannot be determined; then, and on failure, `remedy` says what to do."""

    name: str
    ok: bool | None
    found: str
    remedy: str = ""
