"""Cooling: before each round, a device close to throttling is given time to cool, and the pause is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from latkit.measurements.anomalies import sensors, thermal_status

HEADROOM_C = 5.0
"""A round may heat the device by this much without reaching the trip point."""
COOLED_BY_C = 5.0
"""A pause lasts until the device is this far below the limit at which it counts as hot."""

Conditions = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cooling:
    """When a device is hot, and how long it may take to cool.

    A sensor with a trip point is hot from HEADROOM_C below it; any sensor is hot at `max_c` degrees Celsius if that is
    given. Without trip points, sensors or `max_c`, nothing is ever hot.
    """

    max_c: float | None = None
    max_pause_s: float = 120.0
    poll_s: float = 2.0
    """Interval between readings."""

    def excess_c(self, conditions: Conditions) -> float | None:
        """How far the hottest sensor is above its limit; negative below it, None if no limit is known."""
        excesses = [degrees - (trip - HEADROOM_C) for degrees, trip in sensors(conditions)]
        found = conditions.get("temperatures_c")
        if self.max_c is not None and isinstance(found, Mapping):
            excesses += [degrees - self.max_c for degrees in found.values() if isinstance(degrees, int | float)]
        return max(excesses, default=None)

    def is_hot(self, conditions: Conditions) -> bool:
        """Whether no round should begin now: a sensor is at its limit, or a phone reports that it throttles."""
        excess = self.excess_c(conditions)
        return thermal_status(conditions) > 0 or (excess is not None and excess >= 0)

    def is_cool(self, conditions: Conditions) -> bool:
        """Whether a pause may end."""
        excess = self.excess_c(conditions)
        return thermal_status(conditions) == 0 and (excess is None or excess <= -COOLED_BY_C)

    def pause(self, read_conditions: Callable[[], dict[str, object]]) -> tuple[dict[str, object], float]:
        """Wait until the device is cool, at most `max_pause_s`; returns the conditions then, and the seconds waited."""
        begun = time.monotonic()
        while True:
            time.sleep(self.poll_s)
            conditions = read_conditions()
            waited_s = time.monotonic() - begun
            if self.is_cool(conditions) or waited_s >= self.max_pause_s:
                return conditions, waited_s


COOLING = Cooling()
"""The default policy: the device's own trip points."""
