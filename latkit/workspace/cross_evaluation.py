"""Measuring the cross table: every derived network, and those of the zoo, on every target (Cai et al. 2019, table 4).

A search specializes a network for one target; here it is compared with the networks made for the others, on all
targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latkit.devices import BenchmarkTool, OnMessage
from latkit.errors import LatkitError, NotMeasured
from latkit.evaluation.validation import PAIRS, accepted_pair, is_conclusive, repetitions_of
from latkit.latency_models import AdditiveModel
from latkit.measurements import Store, select
from latkit.ops import Network
from latkit.progress import Progress
from latkit.search.records.result import DataFacts
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, Environment, Measurement, TimingPlan, estimate, reference_seconds
from latkit.workspace.cross_table import Cell, CrossTable, Kind, Row
from latkit.workspace.models import check_tool, pinned_as
from latkit.workspace.workspace import Workspace

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
    accuracy: float | None = None
    data: DataFacts | None = None

    def row(self, cells: Mapping[str, Cell]) -> Row:
        """The entry with its measurements, by target."""
        return Row(
            name=self.name,
            kind=self.kind,
            target=self.target,
            target_latency_ms=None if self.target_latency_s is None else 1e3 * self.target_latency_s,
            accuracy=self.accuracy,
            data=self.data,
            input_shape=self.network.input_shape,
            macs=self.network.macs,
            parameters=self.network.parameters,
            key=self.network.key,
            cells=dict(cells),
        )


@dataclass(frozen=True, slots=True)
class CrossEvaluation:
    """How the targets are measured: as at the end of a search."""

    workspace: Workspace
    progress: Progress
    kind: str = "lookup"
    """Kind of the latency model that predicts."""
    wait_s: float = 0.0
    on_message: OnMessage = lambda _text: None
    tool: BenchmarkTool | None = None

    def table(self, name: str, entries: Sequence[Entry], targets: Sequence[Target]) -> CrossTable:
        """Measure every network twice on every target, again where the two disagree, and add the predictions.

        What a target's store already holds is not measured again; if it holds everything, the device is not used. What
        cannot be measured is absent, with the reason.
        """
        networks = list(dict.fromkeys(entry.network for entry in entries))
        columns = {str(target): self._column(target, networks) for target in dict.fromkeys(targets)}
        return CrossTable(
            name=name,
            targets=tuple(columns),
            emulated=tuple(target for target, (_, emulated) in columns.items() if emulated),
            rows=tuple(
                entry.row({target: cells[entry.network] for target, (cells, _) in columns.items()}) for entry in entries
            ),
        )

    def _column(self, target: Target, networks: Sequence[Network]) -> tuple[dict[Network, Cell], bool]:
        """All networks on one target, and whether that is an emulator."""
        models = self._models(target, networks)
        stored = self._stored(target, networks, models)
        reasons: dict[Network, str] = {}
        if not all(map(stored.is_conclusive, networks)):
            try:
                reasons = self._measure(target, models, networks)
            except LatkitError as error:
                self.on_message(f"{target}: {error}")
                reasons = dict.fromkeys(networks, str(error))
            stored = self._stored(target, networks, models)
            reasons = self._left_out(target, networks) | reasons
        cells = {network: stored.cell(network, reasons.get(network, "")) for network in networks}
        return cells, stored.environment is not None and stored.environment.emulated

    def _models(self, target: Target, networks: Sequence[Network]) -> Models:
        """The model of each network; the models may be of different spaces. None where nothing was fitted."""
        try:
            return self.workspace.models_for(target, networks, self.kind)
        except NotMeasured as error:
            self.on_message(f"{target}: nothing is predicted: {error}")
            return {}

    def _stored(self, target: Target, networks: Sequence[Network], models: Models) -> Stored:
        """What is known of the networks on a target."""
        if not self.workspace.has_measurements(target):
            return Stored({}, None, models)
        with self.workspace.store(target) as store:
            return Stored.of(store, networks, models)

    def _left_out(self, target: Target, networks: Sequence[Network]) -> dict[Network, str]:
        """Why measurements of these networks may not be used, the last reason of each."""
        if not self.workspace.has_measurements(target):
            return {}
        with self.workspace.store(target) as store:
            selection = select([m for m in store.measurements("validation") if m.workload in set(networks)])
        return {m.workload: reason for m, reason in selection.left_out if isinstance(m.workload, Network)}

    def _measure(self, target: Target, models: Models, networks: Sequence[Network]) -> dict[Network, str]:
        """Measure what the store lacks; returns why some networks could not be. Raises as Workspace.collection does."""
        model = next(iter(models.values()), None)
        if model is not None:
            check_tool(model, self.tool)
        failed: dict[str, str] = {}
        cores = pinned_as(model) if model else ()
        with self.workspace.collection(
            target, TimingPlan(), self.progress, self.wait_s, self.on_message, cores, tool=self.tool
        ) as collection:
            unsettled = list(networks)
            for number in range(PAIRS):
                for repetition in repetitions_of(number):
                    able = [network for network in unsettled if network.title not in failed]
                    failed |= collection.run(able, "validation", repetition, seed=repetition).failed
                stored = Stored.of(collection.store, networks, models)
                unsettled = [network for network in networks if not stored.is_conclusive(network)]
                if not unsettled:
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
