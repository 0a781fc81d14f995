"""Measuring the cross table: every derived network, and those of the zoo, on every target (Cai et al. 2019, table 4).

A search specializes a network for one target; here it is compared with the networks made for the others, on all
targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from latkit.errors import LatkitError, NotMeasured
from latkit.evaluation.cross_table import Cell, CrossTable, Kind, Row
from latkit.evaluation.validation import PAIRS, accepted_pair, is_conclusive, repetitions_of
from latkit.latency_models import AdditiveModel
from latkit.measurements import Store, select
from latkit.ops import Network
from latkit.profiling import Collection
from latkit.progress import OnMessage, ignore
from latkit.search.records.recipe import DataFacts
from latkit.search.tasks import DEFAULT_TASK
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, Environment, Measurement, estimate, reference_seconds

Models = Mapping[Network, AdditiveModel]
"""Which model predicts each network of a target, and gives its seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A network that takes part, and what is known of it beforehand; see `Row`."""

    name: str
    kind: Kind
    network: Network
    target: str = ""
    target_latency_s: float | None = None
    score: float | None = None
    data: DataFacts | None = None
    task: str = DEFAULT_TASK

    def row(self, cells: Mapping[str, Cell]) -> Row:
        """The entry with its measurements, by target."""
        return Row(
            name=self.name,
            kind=self.kind,
            target=self.target,
            target_latency_ms=None if self.target_latency_s is None else 1e3 * self.target_latency_s,
            task=self.task,
            score=self.score,
            data=self.data,
            input_shape=self.network.input_shape,
            macs=self.network.macs,
            parameters=self.network.parameters,
            key=self.network.key,
            cells=dict(cells),
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One target of a cross table: how it is reached, and which models predict there."""

    target: Target
    models: Models
    """None of them where nothing was fitted."""
    store: Callable[[], AbstractContextManager[Store | None]]
    """Opens what was measured there; None if that is nothing."""
    collection: Callable[[], AbstractContextManager[Collection]]
    """Opens the leased device; raises LatkitError where it cannot be measured on."""


def cross_evaluate(
    name: str, entries: Sequence[Entry], columns: Sequence[Column], on_message: OnMessage = ignore
) -> CrossTable:
    """Measure every network twice on every target, again where the two disagree, and add the predictions.

    What a target's store already holds is not measured again; if it holds everything, the device is not used. What
    cannot be measured is absent, with the reason.
    """
    networks = list(dict.fromkeys(entry.network for entry in entries))
    made = {str(column.target): _cells(column, networks, on_message) for column in columns}
    return CrossTable(
        name=name,
        targets=tuple(made),
        emulated=tuple(target for target, (_, emulated) in made.items() if emulated),
        rows=tuple(
            entry.row({target: cells[entry.network] for target, (cells, _) in made.items()}) for entry in entries
        ),
    )


def _cells(column: Column, networks: Sequence[Network], on_message: OnMessage) -> tuple[dict[Network, Cell], bool]:
    """All networks on one target, and whether that is an emulator."""
    stored = _stored(column, networks)
    reasons: dict[Network, str] = {}
    if not all(map(stored.is_conclusive, networks)):
        try:
            reasons = _measure(column, networks)
        except LatkitError as error:
            on_message(f"{column.target}: {error}")
            reasons = dict.fromkeys(networks, str(error))
        stored = _stored(column, networks)
        reasons = _left_out(column, networks) | reasons
    cells = {network: stored.cell(network, reasons.get(network, "")) for network in networks}
    return cells, stored.environment is not None and stored.environment.emulated


def _stored(column: Column, networks: Sequence[Network]) -> Stored:
    """What is known of the networks on a target."""
    with column.store() as store:
        return Stored.of(store, networks, column.models) if store else Stored({}, None, column.models)


def _left_out(column: Column, networks: Sequence[Network]) -> dict[Network, str]:
    """Why measurements of these networks may not be used, the last reason of each."""
    with column.store() as store:
        measured = store.measurements("validation") if store else []
    selection = select([m for m in measured if m.workload in set(networks)])
    return {m.workload: reason for m, reason in selection.left_out if isinstance(m.workload, Network)}


def _measure(column: Column, networks: Sequence[Network]) -> dict[Network, str]:
    """Measure what the store lacks; returns why some networks could not be. Raises as `Column.collection` does."""
    failed: dict[str, str] = {}
    with column.collection() as collection:
        remaining = list(networks)
        for number in range(PAIRS):
            for repetition in repetitions_of(number):
                able = [network for network in remaining if network.title not in failed]
                failed |= collection.run(able, "validation", repetition, seed=repetition).failed
            stored = Stored.of(collection.store, networks, column.models)
            remaining = [network for network in networks if not stored.is_conclusive(network)]
            if not remaining:
                break
    return {network: failed[network.title] for network in networks if network.title in failed}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a target's store has of networks under its latest environment, by repetition."""

    measured: Mapping[Network, Mapping[int, Measurement]]
    environment: Environment | None
    models: Models

    @classmethod
    def of(cls, store: Store, networks: Sequence[Network], models: Models) -> Stored:
        """Read the usable measurements of these networks."""
        requested, environment = set(networks), store.latest_environment()
        found: dict[Network, dict[int, Measurement]] = {}
        for measurement in select([m for m in store.measurements("validation") if m.workload in requested]).used:
            if isinstance(measurement.workload, Network) and measurement.environment == environment:
                found.setdefault(measurement.workload, {})[measurement.repetition] = measurement
        return cls(found, environment, models)

    def is_conclusive(self, network: Network) -> bool:
        """Whether the network need not be measured again."""
        return is_conclusive(self.measured.get(network, {}), self._seconds_of)

    def cell(self, network: Network, reason: str) -> Cell:
        """Prediction and measurement of a network; the reason where nothing was measured."""
        predicted_ms = _predicted_ms(self.models.get(network), network)
        accepted = accepted_pair(self.measured.get(network, {}), self._seconds_of)
        if not accepted:
            return Cell(predicted_ms=predicted_ms, reason=reason or "not measured twice under the same conditions")
        first_ms, second_ms = (1e3 * self._seconds_of(measurement) for measurement in accepted)
        return Cell(predicted_ms=predicted_ms, first_ms=first_ms, second_ms=second_ms)

    def _seconds_of(self, measurement: Measurement) -> float:
        """By the model's baseline, or without a model by that of these measurements."""
        model = self.models.get(measurement.workload) if isinstance(measurement.workload, Network) else None
        if model is not None:
            return model.seconds_of(measurement)
        reference_s = reference_seconds(m for repeated in self.measured.values() for m in repeated.values())
        return estimate(measurement, reference_s, DEFAULT_ESTIMATOR).seconds


def _predicted_ms(model: AdditiveModel | None, network: Network) -> float | None:
    """None where the model does not know an op of the network."""
    try:
        return None if model is None else 1e3 * model.predict(network).seconds
    except NotMeasured:
        return None
