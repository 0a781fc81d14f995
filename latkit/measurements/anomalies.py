"""Flags: anomalies during a measurement, detected from its samples and the conditions around its rounds.

Each flag is a function from a measurement to a remark, empty if the flag is not raised. A condition that the device
does not report raises no flag. The thresholds are in docs/concepts/measuring.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from latkit.timing import Measurement, Round, uses_cpu_time
from latkit.timing.noise import (
    DRIFTING_SHARE,
    MAX_NOISY_SHARE,
    is_unpinned,
    noisy_share,
    preempted,
    preempted_share,
    reference_drift,
    run_times,
    waited,
)

THROTTLED_SHARE = 0.8
"""A round was throttled if the fastest core ends it below this share of the highest frequency seen."""
COLD_SHARE = 0.1
"""A round began cold if the fastest of its first third of runs is slower than that of the last by more than this."""
COLD_RUNS = 6
"""With fewer timed runs, a falling trend cannot be detected."""


def usable_runs(measurement: Measurement) -> int:
    """Number of runs that measure the workload alone.

    They are the undisturbed runs, and the disturbed runs of a single thread whose CPU time excludes the waiting, as the
    estimator `min` counts them.
    """
    noisy = preempted(measurement) | waited(measurement)
    wall, cpu = run_times(measurement)
    timed_by_cpu = (cpu > 0) & (cpu < wall) & uses_cpu_time(measurement.target)
    return int(np.sum(~noisy | timed_by_cpu))


def contended(measurement: Measurement) -> str:
    """Other processes took the cores: most runs were preempted, or waited."""
    share = preempted_share(measurement)
    if share > MAX_NOISY_SHARE:
        return f"{share:.0%} of its runs were preempted"
    noisy = noisy_share(measurement)
    return f"{noisy:.0%} of its runs were preempted or waited" if noisy > MAX_NOISY_SHARE else ""


def throttled(measurement: Measurement, fastest_khz: float | None = None) -> str:
    """The device throttled itself: most rounds ended at a low frequency, or it was too hot.

    It was too hot when a sensor was at its trip point, or a phone reported that it throttles.

    `fastest_khz` is the highest frequency seen on the device; by default, that of this measurement.
    """
    ends = [_end_khz(one_round) for one_round in measurement.rounds]
    known = [khz for khz in ends if khz is not None]
    highest = max([*known, fastest_khz or 0.0])
    slow = sum(khz < THROTTLED_SHARE * highest for khz in known)
    if known and slow / len(known) > MAX_NOISY_SHARE:
        return f"{slow} of {len(known)} rounds ended below {THROTTLED_SHARE:.0%} of {highest / 1e6:.2f} GHz"
    hot = [over for one_round in measurement.rounds if (over := _over_trip(one_round)) is not None]
    if hot and sum(hot) / len(hot) > MAX_NOISY_SHARE:
        return f"a sensor was at its trip point in {sum(hot)} of {len(hot)} rounds"
    slowed = sum(any(thermal_status(moment) for moment in _moments(one_round)) for one_round in measurement.rounds)
    if slowed > MAX_NOISY_SHARE * len(measurement.rounds):
        return f"the phone slowed itself down in {slowed} of {len(measurement.rounds)} rounds"
    return ""


def drifting(measurement: Measurement) -> str:
    """The device changed its speed between the rounds: the reference's fastest run moved."""
    moved = reference_drift(measurement)
    return f"the reference moved by {moved:.0%} between its rounds" if moved > DRIFTING_SHARE else ""


def unpinned(measurement: Measurement) -> str:
    """The agent was free to move between cores."""
    return "it was not pinned to cores" if is_unpinned(measurement) else ""


def cold(measurement: Measurement) -> str:
    """The warm-up ended too early: in most rounds, the times were still falling during the timed runs."""
    long_rounds = [one_round.wall_ns for one_round in measurement.rounds if len(one_round.wall_ns) >= COLD_RUNS]
    falling = sum(
        min(wall[: len(wall) // 3]) > (1 + COLD_SHARE) * min(wall[-(len(wall) // 3) :]) for wall in long_rounds
    )
    return (
        f"times were still falling in {falling} of {len(long_rounds)} rounds"
        if falling > MAX_NOISY_SHARE * len(long_rounds)
        else ""
    )


FLAGS: dict[str, Callable[[Measurement], str]] = {
    "contended": contended,
    "throttled": throttled,
    "drifting": drifting,
    "unpinned": unpinned,
    "cold": cold,
}
"""The detector of each flag, by name."""


def flags_of(measurement: Measurement, fastest_khz: float | None = None) -> dict[str, str]:
    """The raised flags, each with a remark. `fastest_khz`: the highest frequency seen on the device."""
    if not measurement.rounds:
        return {}
    remarks = {name: check(measurement) for name, check in FLAGS.items()}
    remarks["throttled"] = throttled(measurement, fastest_khz)
    return {name: remark for name, remark in remarks.items() if remark}


def count_flags(measurements: Sequence[Measurement]) -> dict[str, int]:
    """Number of these measurements of one device that raise each flag. Frequencies are compared among all of them."""
    fastest = fastest_khz(measurements)
    raised = [flags_of(measurement, fastest) for measurement in measurements]
    return {name: sum(name in flags for flags in raised) for name in FLAGS}


def fastest_khz(measurements: Iterable[Measurement]) -> float | None:
    """The highest frequency at the end of any round, in kHz; None if the device does not report it."""
    ends = (_end_khz(one_round) for measurement in measurements for one_round in measurement.rounds)
    return max((khz for khz in ends if khz is not None), default=None)


def _end_khz(one_round: Round) -> float | None:
    """Frequency of the fastest core that the agent may use, just after a round. Before a round, cores idle and are
    slow.
    """
    after = _mapping(one_round.conditions.get("after"))
    frequencies = after.get("frequencies_khz")
    if not isinstance(frequencies, list):
        return None
    allowed = after.get("affinity")
    cores = allowed if isinstance(allowed, list) else range(len(frequencies))
    known = [frequencies[core] for core in cores if isinstance(core, int) and 0 <= core < len(frequencies)]
    return max((float(khz) for khz in known if isinstance(khz, int | float) and khz > 0), default=None)


def _over_trip(one_round: Round) -> bool | None:
    """Whether a sensor was at its trip point before or after a round; None if no trip point is known."""
    over = [degrees >= trip for moment in _moments(one_round) for degrees, trip in sensors(moment)]
    return any(over) if over else None


def sensors(conditions: Mapping[str, object]) -> Iterator[tuple[float, float]]:
    """Temperature and trip point, in degrees Celsius, of the sensors for which the agent reports both."""
    found, trips = _mapping(conditions.get("temperatures_c")), _mapping(conditions.get("trips_c"))
    for name, degrees in found.items():
        trip = trips.get(name)
        if isinstance(degrees, int | float) and isinstance(trip, int | float):
            yield float(degrees), float(trip)


def thermal_status(conditions: Mapping[str, object]) -> int:
    """The thermal status that a phone reports, from 0 (cool) to 6; 0 for other devices."""
    status = _mapping(conditions.get("phone")).get("thermal_status")
    return status if isinstance(status, int) else 0


def _moments(one_round: Round) -> list[Mapping[str, object]]:
    """The conditions before and after a round."""
    return [_mapping(one_round.conditions.get(moment)) for moment in ("before", "after")]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
