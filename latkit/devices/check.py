"""A point of a device's examination."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One point: `ok` is None where it cannot be told; then, and where it fails, `remedy` says what to do."""

    name: str
    ok: bool | None
    found: str
    remedy: str = ""
