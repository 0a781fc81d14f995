"""Measuring in a workspace: a target's leased device, its store, and the cache of artifacts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from latkit._io.cache import cache_root
from latkit.devices import (
    COOLING,
    BenchmarkTool,
    Check,
    Cooling,
    Device,
    Lease,
    RecoveringSession,
    SessionOptions,
    check_trusted,
    environment_changes,
    host_boot_id,
    leased,
    measuring_with,
    open_session,
    open_unchanged,
    parse_cores,
    quarantining,
)
from latkit.errors import ExportError, LatkitError
from latkit.graphs import ModelFile
from latkit.profiling import Collection, Exporter, ensure_baseline, recheck, with_baseline
from latkit.progress import SILENT, Callbacks, OnMessage, ignore
from latkit.runtimes import Artifact
from latkit.targets import Target
from latkit.timing import DRIFT, REFERENCE, Baseline, Environment, TimingPlan, Workload
from latkit.workspace.models.fitting import ModelFitting

DEFAULT_PLAN = TimingPlan()
"""How networks are timed where a request has no plan of its own, as a search's has none."""


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How a target is measured."""

    plan: TimingPlan = field(default_factory=lambda: DEFAULT_PLAN)
    wait_s: float = 0.0
    """How long to wait for a device that another process holds."""
    cores: tuple[int, ...] = ()
    """Cores to pin to; without any, the agent is not pinned."""
    cooling: Cooling = COOLING
    """When rounds wait for a hot device to cool."""
    rebaseline: bool = False
    """Measure a new baseline: the device has changed its speed for good."""
    tool: BenchmarkTool | None = None
    """Measures instead of latkit's agent."""


class MeasuringWorkspace(ModelFitting):
    """A workspace whose targets can be measured."""

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        """Open a workspace. Raises UsageError if there is none."""
        super().__init__(root)
        self._exporting = threading.Lock()  # exporters trace with global state: one at a time

    @contextmanager
    def collection(
        self,
        target: Target,
        options: MeasureOptions = MeasureOptions(),
        callbacks: Callbacks = SILENT,
    ) -> Iterator[Collection]:
        """Everything needed to measure on a target: its leased device, its store, the cache of artifacts.

        The device is leased meanwhile: DeviceBusy if another process holds it for `wait_s` seconds. It is quarantined
        when it fails again and again, and refused with DeviceQuarantined if it already is.
        Raises UsageError if the device lacks the cores to pin to, or if what its file names on this host was not
        confirmed (see `devices.trust`); MeasurementConflict if it is another machine than its file describes.
        """
        device, on_message = self.device(target.device), callbacks.on_message
        check_trusted(device)
        with (
            quarantining(self.devices_dir, device.name),
            leased(device, str(target), options.wait_s, on_message) as lease,
            self._session(device, target, options, on_message, lease) as session,
            self.store(target) as store,
        ):
            elsewhere = session.boot_id not in ("", host_boot_id())
            exporter, progress = self.exporter(target, on_message), callbacks.progress
            collection = Collection(session, store, exporter, options.plan, progress, overlapping=elsewhere)
            _report_changes(collection, session.boot_id, on_message)
            collection = with_baseline(collection, collection.export(REFERENCE), options.rebaseline, on_message)
            yield collection
            ensure_baseline(store, collection.environment())

    def _session(
        self, device: Device, target: Target, options: MeasureOptions, on_message: OnMessage, lease: Lease
    ) -> RecoveringSession:
        """A session that is opened again when the device fails."""
        make = measuring_with(options.tool) if options.tool else None
        how = SessionOptions(cores=options.cores, cooling=options.cooling)
        return RecoveringSession(
            device.name,
            lambda: open_unchanged(device, target, how, on_message, lease.hold_machine, make),
            on_message,
            lease.renew,
        )

    def exporter(self, target: Target, on_message: OnMessage = ignore) -> Exporter:
        """Returns the artifacts of workloads for a target, from the cache if they are there; for any thread.

        The cache is kept within its limit meanwhile. Raises UsageError for a limit that is no size.
        """
        from latkit.artifacts.cache import ArtifactCache
        from latkit.artifacts.cache_limit import CacheTrimmer, finding

        root = cache_root()
        trimmer = CacheTrimmer.of(root, on_message)
        cache = ArtifactCache(guard=partial(finding, root))

        def export(workload: Workload) -> Artifact:
            if isinstance(workload, ModelFile):
                raise ExportError(f"{workload.title} is a file of its own; profile it with: latkit profile")
            with self._exporting:
                trimmer.check()
                return cache.artifact(workload, target)

        return export

    def check_baselines(self, device: str) -> Iterator[Check]:
        """Whether the reference still takes its baseline on each measured target."""
        for target, environment in self.latest_environments(device).items():
            with self.store(target) as store:
                baseline = store.baseline(environment)
            if baseline is not None and environment.agent != BenchmarkTool.name:
                try:
                    yield self._check_baseline(target, environment, baseline)
                except LatkitError as error:
                    yield Check(f"baseline {target}", None, str(error), "see what else fails")

    def _check_baseline(self, target: Target, environment: Environment, baseline: Baseline) -> Check:
        device = self.device(target.device)
        check_trusted(device)
        with open_session(device, target, SessionOptions(cores=parse_cores(environment.affinity))) as session:
            found = recheck(session, self.exporter(target)(REFERENCE), baseline, target)
        remedy = (
            f"if it is to stay so: latkit collect space {target} --space SPACE --rebaseline" if found.changed else ""
        )
        ok = False if found.changed else None if abs(found.moved) > DRIFT else True
        return Check(f"baseline {target}", ok, str(found), remedy)


def _report_changes(collection: Collection, boot_id: str, on_message: OnMessage) -> None:
    """Report differences from the latest measurements' environment, which `Environment` separates from new ones."""
    target, before = collection.store.target, collection.store.latest_environment()
    if before is None:
        return
    changed = environment_changes(before, replace(collection.environment(), baseline=before.baseline))
    if changed:
        on_message(f"since {target} was measured last, {changed}; what was measured before is kept apart")
    if boot_id and collection.store.latest_boot_id() not in ("", boot_id):
        on_message(f"{target.device} was booted since {target} was measured last")
