"""Validation: predicted and measured latencies of networks that the model has not seen."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from latkit._io import load_record, write_record
from latkit._io.arrays import Floats
from latkit.errors import MeasurementConflict, NotMeasured, UsageError
from latkit.evaluation.coverage import coverage_percent
from latkit.evaluation.drift import Drift, Finite, drift_networks, log_drifts
from latkit.latency_models import AdditiveModel
from latkit.measurements import select
from latkit.ops import Network
from latkit.profiling import Collection, CollectionSummary
from latkit.spaces import Architecture, Space
from latkit.timing import Measurement, without_slow_rounds

REPETITIONS = 2
"""Every network is measured twice, in two complete measurements."""

AGREEMENT = 0.05
"""If two measurements of one network differ by more, one was disturbed, and the network is measured twice again."""

MAX_DRAWS_IN_VAIN = 10_000
"""After this many consecutive networks that were drawn before, the space counts as exhausted."""

PAIRS = 3
"""Maximum number of pairs of measurements."""


SecondsOf = Callable[[Measurement], float]
"""The latency that a measurement gives."""


MIN_MS, MAX_MS = 1e-9, 1e12
"""No latency lies outside these bounds; everything computed from such figures stays finite."""

Milliseconds = Annotated[float, Field(ge=MIN_MS, le=MAX_MS, allow_inf_nan=False)]


class NetworkResult(BaseModel):
    """One network: its prediction with a 90 % interval, and two measurements."""

    model_config = ConfigDict(extra="forbid")
    name: str
    key: str
    architecture: list[int]
    """One candidate per choice of the space; empty for a network without a space."""
    predicted_ms: Milliseconds
    low_ms: Milliseconds | None
    high_ms: Milliseconds | None
    """Both None if the prediction has no interval."""
    first_ms: Milliseconds
    second_ms: Milliseconds

    @property
    def interval_ms(self) -> tuple[float, float] | None:
        """Both bounds of the prediction; None if no interval is known."""
        return None if self.low_ms is None or self.high_ms is None else (self.low_ms, self.high_ms)

    @property
    def measured_ms(self) -> float:
        """Mean of the two measurements."""
        return (self.first_ms + self.second_ms) / 2

    @property
    def error_percent(self) -> float:
        """How far the prediction lies above the measurement."""
        return 100 * (self.predicted_ms / self.measured_ms - 1)


class MeasuredNetwork(BaseModel):
    """One network on one target: the record that a search saves of the network that it found."""

    model_config = ConfigDict(extra="forbid")
    target: str
    model: str
    """Kind of the latency model that predicted it."""
    emulated: bool = False
    """Whether the device is an emulator, whose latencies are not those of a phone."""
    network: NetworkResult

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_record(path, self.model_dump(mode="json"))


class Validation(BaseModel):
    """Prediction error and repeatability, which is the minimum error of any model."""

    model_config = ConfigDict(extra="forbid")
    target: str
    space: str
    model: str
    networks: int
    calibration_networks: int
    mape_percent: Finite
    rmse_ms: Finite
    mean_latency_ms: Milliseconds
    within_5_percent: Finite
    within_10_percent: Finite
    interval_coverage_percent: Finite | None
    """Share of the single measurements, two of each network, that its interval holds: a mean of both errs by less than
    the intervals are made for. None unless an interval is known for every network."""
    spearman: Finite | None
    kendall: Finite | None
    """Both None if all predictions, or all latencies, are equal: they have no ranks."""
    repeatability_mape_percent: Finite
    drift: Drift | None = None
    """None unless networks of the calibration were measured again."""
    left_out: list[str]
    emulated: bool = False
    """Whether the device is an emulator, whose latencies are not those of a phone."""
    results: list[NetworkResult]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_record(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Validation:
        """Read from JSON. Raises BadFile."""
        return load_record(path, cls, "the figures of a validation")


class Drawn(NamedTuple):
    """A network drawn from a space."""

    architecture: Architecture
    """In its canonical form."""
    network: Network


def fit_networks(space: Space, count: int) -> list[Network]:
    """The networks that a model of this space is calibrated on: deterministic, and a prefix for every
    larger `count`.
    """
    return [drawn.network for drawn in itertools.islice(_draw(space, "fit"), count)]


def unseen_networks(model: AdditiveModel, space: Space, count: int, seed: int = 0) -> list[Drawn]:
    """Networks drawn uniformly that the model has not seen and can predict; checked before anything is measured.

    Raises NotMeasured, and UsageError if there are fewer than two.
    """
    if count < 2:
        raise UsageError(f"expected at least two networks to validate on, but found {count}")
    known_keys = model.origin_.network_keys
    fresh = (drawn for drawn in _draw(space, f"validation/{seed}") if drawn.network.key not in known_keys)
    chosen = list(itertools.islice(fresh, count))
    if len(chosen) < 2:
        raise UsageError(f"space {space.name} has too few networks that the model has not seen")
    for drawn in chosen:
        model.predict(drawn.network)
    return chosen


def _draw(space: Space, purpose: str) -> Iterator[Drawn]:
    """Distinct networks of a space in an order that depends on the purpose alone; ends when the space is exhausted."""
    rng = random.Random(f"{space.key}/{purpose}")
    known_keys: set[str] = set()
    # Without this bound, drawing would not end once every network was seen; different architectures may give one
    # network.
    drawn_in_vain = 0
    while drawn_in_vain < MAX_DRAWS_IN_VAIN:
        architecture = space.sample(rng)
        network = space.decode(architecture)
        if network.key in known_keys:
            drawn_in_vain += 1
            continue
        drawn_in_vain = 0
        known_keys.add(network.key)
        title = f"{space.name}-{network.key[:8]}"
        yield Drawn(space.canonical(architecture), space.decode(architecture, title))


def validate(
    collection: Collection,
    model: AdditiveModel,
    space: Space,
    networks: int = 20,
    seed: int = 0,
    max_seconds: float | None = None,
) -> Validation:
    """Draw networks, measure each twice, and compare the predictions with the measurements.

    Existing measurements for the same seed, environment and plan are used, so that an interrupted validation resumes.
    Raises NotMeasured, MeasurementConflict if the target has changed since the fit, and UsageError.
    """
    chosen = unseen_networks(model, space, networks, seed)
    return validate_drawn(collection, model, space, chosen, max_seconds)


def validate_drawn(
    collection: Collection,
    model: AdditiveModel,
    space: Space,
    chosen: Sequence[Drawn],
    max_seconds: float | None = None,
    known: int = 0,
) -> Validation:
    """Measure drawn networks, each twice, and compare the predictions with the measurements; see `validate`.

    `known`: networks of the calibration that are measured again among them, to find the drift since.
    """
    measured = [drawn.network for drawn in chosen]
    calibrated = select(collection.store.measurements("fit")).used if known else ()
    then_s = drift_networks(model, calibrated, known) if known else {}
    measurements, left_out = _measure(collection, [*measured, *then_s], repetitions_of(0), max_seconds)
    validation = compare(model, space, chosen, measurements, left_out)
    return _with_drift(validation, model, then_s, measurements) if known else validation


def _with_drift(
    validation: Validation,
    model: AdditiveModel,
    then_s: Mapping[Network, float],
    measurements: Sequence[Measurement],
) -> Validation:
    """The validation with the drift since the calibration, from its networks measured again."""
    now: dict[str, list[float]] = {}
    for one in measurements:
        now.setdefault(one.workload.key, []).append(model.seconds_of(one))
    drifts = log_drifts(then_s, {key: sum(times) / len(times) for key, times in now.items()})
    predicted = np.array([row.predicted_ms for row in validation.results])
    measured = np.array([(row.first_ms, row.second_ms) for row in validation.results])
    return validation.model_copy(update={"drift": Drift.of(model, drifts, predicted, measured)})


def measure_network(collection: Collection, model: AdditiveModel, network: Network) -> MeasuredNetwork:
    """Measure one network twice and compare with its prediction; measure again if the two disagree.

    Raises as `validate` does.
    """
    model.predict(network)
    accepted = _measure_until_agreed(collection, network, model.seconds_of)
    result = _result(model, network, (), dict(enumerate(accepted)))
    origin = model.origin_
    return MeasuredNetwork(
        target=str(origin.target), model=model.kind, emulated=origin.environment.emulated, network=result
    )


def measured_seconds(collection: Collection, model: AdditiveModel, network: Network) -> float:
    """Seconds of one network, which the model need not cover, measured as by `measure_network`, with
    the same errors.
    """
    found = [model.seconds_of(m) for m in _measure_until_agreed(collection, network, model.seconds_of)]
    return sum(found) / len(found)


def accepted_pair(measured: Mapping[int, Measurement], seconds_of: SecondsOf) -> tuple[Measurement, ...]:
    """From one network's measurements by repetition, the two that count; none if it was not measured twice.

    The first pair that agrees, else the latest; slow rounds do not count, unless every pair was disturbed. The choice
    depends on the measurements alone, never on the predictions.
    """
    pairs = _pairs(_undisturbed(measured)) or _pairs(measured)
    return next((pair for pair in pairs if _agree(pair, seconds_of)), pairs[-1] if pairs else ())


def is_conclusive(measured: Mapping[int, Measurement], seconds_of: SecondsOf) -> bool:
    """Whether two measurements of one network agree, or the maximum number was made."""
    return bool(_pair(measured, PAIRS - 1)) or any(_agree(pair, seconds_of) for pair in _pairs(_undisturbed(measured)))


def _undisturbed(measured: Mapping[int, Measurement]) -> dict[int, Measurement]:
    """The measurements without their slow rounds; without those that have no other."""
    return {number: fast for number, one in measured.items() if (fast := without_slow_rounds(one))}


def _pairs(measured: Mapping[int, Measurement]) -> list[tuple[Measurement, ...]]:
    """The complete measurements."""
    return [pair for number in range(PAIRS) if (pair := _pair(measured, number))]


def _pair(measured: Mapping[int, Measurement], number: int) -> tuple[Measurement, ...]:
    repetitions = repetitions_of(number)
    return tuple(measured[index] for index in repetitions) if measured.keys() >= set(repetitions) else ()


def repetitions_of(pair: int) -> range:
    """The repetitions of a pair of measurements."""
    return range(REPETITIONS * pair, REPETITIONS * (pair + 1))


def _agree(pair: Sequence[Measurement], seconds_of: SecondsOf) -> bool:
    found = [seconds_of(measurement) for measurement in pair]
    return max(found) - min(found) <= AGREEMENT * min(found)


def _measure_until_agreed(collection: Collection, network: Network, seconds_of: SecondsOf) -> tuple[Measurement, ...]:
    """Measure a network until two measurements of it agree; the two that count. Raises NotMeasured."""
    measured: dict[int, Measurement] = {}
    left_out: list[str] = []
    for number in range(PAIRS):
        found, left_out = _measure(collection, [network], repetitions_of(number))
        measured = {measurement.repetition: measurement for measurement in found}
        if is_conclusive(measured, seconds_of):
            break
    accepted = accepted_pair(measured, seconds_of)
    if not accepted:
        raise NotMeasured(f"{network.title} could not be measured twice: {'; '.join(left_out)}")
    return accepted


def _measure(
    collection: Collection, networks: Sequence[Network], repetitions: range, max_seconds: float | None = None
) -> tuple[tuple[Measurement, ...], list[str]]:
    """The usable measurements of the networks, and what was left out with the reason."""
    for repetition in repetitions:
        _check_measured(collection.run(networks, "validation", repetition, max_seconds, seed=repetition))
    keys = {network.key for network in networks}
    selection = select([m for m in collection.store.measurements("validation") if m.workload.key in keys])
    return selection.used, [f"{m.workload.title}: {reason}" for m, reason in selection.left_out]


def _check_measured(summary: CollectionSummary) -> None:
    if summary.failed:
        title, reason = next(iter(summary.failed.items()))
        raise NotMeasured(f"{len(summary.failed)} networks could not be measured, {title} among them: {reason}")
    if not summary.finished:
        raise NotMeasured("the time ran out before every network was measured twice; run it again to go on")


def compare(
    model: AdditiveModel,
    space: Space,
    networks: Sequence[Drawn],
    measurements: Sequence[Measurement],
    left_out: Sequence[str] = (),
) -> Validation:
    """Compare predictions with measurements of the same networks. Networks not measured twice are left out."""
    by_key: dict[str, dict[int, Measurement]] = {}
    for measurement in measurements:
        by_key.setdefault(measurement.workload.key, {})[measurement.repetition] = measurement
        model.origin_.environment.check_same(measurement.environment)
    results = [
        _result(model, network, architecture, by_key[network.key])
        for architecture, network in networks
        if _pair(by_key.get(network.key, {}), 0)
    ]
    if len(results) < 2:
        raise MeasurementConflict(
            f"too few networks were measured twice under the same conditions; left out: {'; '.join(left_out) or 'none'}"
        )
    return Validation(
        target=str(model.origin_.target),
        space=space.name,
        model=model.kind,
        networks=len(results),
        calibration_networks=model.calibration_.networks,
        **_figures(results),
        left_out=list(left_out),
        emulated=model.origin_.environment.emulated,
        results=results,
    )


def _figures(results: Sequence[NetworkResult]) -> dict[str, Any]:
    """The statistics of a validation, by their fields."""
    from scipy import stats  # a second of CPU time, which other commands on devices need not spend

    predicted = np.array([row.predicted_ms for row in results])
    measured = np.array([row.measured_ms for row in results])
    errors = np.abs(predicted / measured - 1)
    spread = np.array([abs(row.first_ms - row.second_ms) / row.measured_ms for row in results])
    intervals = [row.interval_ms for row in results if row.interval_ms]
    measured_twice = np.array([(row.first_ms, row.second_ms) for row in results])
    known = len(intervals) == len(results)
    return {
        "mape_percent": float(100 * errors.mean()),
        "rmse_ms": float(np.sqrt(np.mean((predicted - measured) ** 2))),
        "mean_latency_ms": float(measured.mean()),
        "within_5_percent": float(100 * np.mean(errors <= 0.05)),
        "within_10_percent": float(100 * np.mean(errors <= 0.1)),
        "interval_coverage_percent": coverage_percent(np.array(intervals), measured_twice) if known else None,
        "spearman": _correlation(stats.spearmanr, predicted, measured),
        "kendall": _correlation(stats.kendalltau, predicted, measured),
        "repeatability_mape_percent": float(100 * spread.mean()),
    }


def _correlation(method: Callable[[Floats, Floats], Any], first: Floats, second: Floats) -> float | None:
    """A rank correlation; None if all values of one side are equal."""
    return float(method(first, second).statistic) if np.ptp(first) and np.ptp(second) else None


def _result(
    model: AdditiveModel, network: Network, architecture: Architecture, repetitions: dict[int, Measurement]
) -> NetworkResult:
    predicted = model.predict(network).map(lambda seconds: 1e3 * seconds)
    first, second = (model.seconds_of(repetitions[index]) for index in range(REPETITIONS))
    return NetworkResult(
        name=network.title,
        key=network.key,
        architecture=list(architecture),
        predicted_ms=predicted.seconds,
        low_ms=predicted.low_s,
        high_ms=predicted.high_s,
        first_ms=first * 1e3,
        second_ms=second * 1e3,
    )
