"""Times, formatted for readers."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN_MOMENT = "an unknown time"


def now_written() -> str:
    """The present time in ISO 8601, in UTC. Its microseconds keep records of the same second in order."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def moment(seconds: float) -> str:
    """Seconds since 1970 as a date and a time of day; `UNKNOWN_MOMENT` if they are out of range."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return UNKNOWN_MOMENT


def moment_written(text: str) -> str:
    """The same for a time in ISO 8601."""
    try:
        return moment(datetime.fromisoformat(text).timestamp())
    except (OverflowError, ValueError, OSError):
        return UNKNOWN_MOMENT
