"""The workspace: three folders that hold what a person puts in and gets out, and the verbs on them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from latkit.collect import Collection, Exporter, keep_scale, on_scale, recheck
from latkit.devices import (
    COOLING,
    BenchmarkTool,
    Check,
    Cooling,
    RecoveringSession,
    Tell,
    check_trusted,
    host_boot_id,
    leased,
    measuring_with,
    open_session,
    open_unchanged,
    parse_cores,
    quarantining,
    setup_changes,
)
from latkit.errors import LatkitError
from latkit.progress import Progress
from latkit.runtimes import Artefact
from latkit.targets import Target
from latkit.timing import DRIFT, REFERENCE, Scale, Setup, Subject, TimingPlan
from latkit.workspace.modelling import Modelling


class Workspace(Modelling):
    """A folder with `devices/`, `measurements/` and `search/` in it."""

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        """Open a workspace. Raises UsageError where there is none."""
        super().__init__(root)
        self._exporting = threading.Lock()  # exporters trace with global state: one at a time

    @contextmanager
    def collection(
        self,
        target: Target,
        plan: TimingPlan,
        progress: Progress,
        wait_s: float = 0.0,
        tell: Tell = lambda _text: None,
        cores: tuple[int, ...] = (),
        cooling: Cooling = COOLING,
        new_scale: bool = False,
        tool: BenchmarkTool | None = None,
    ) -> Iterator[Collection]:
        """Everything that is needed to measure on a target: its device at work, its store, the cache of artefacts.

        The device is leased meanwhile: DeviceBusy where it stays somebody else's for `wait_s` seconds. It is put into
        quarantine when it fails again and again, and refused with DeviceQuarantined if it is there already. `tell`
        receives what a person should know at once: waiting, faults, a device that was booted anew or has changed.
        `cores`: those to pin to; raises UsageError where the device lacks them, and MeasurementConflict where it is
        another machine than its file says. `cooling`: when visits wait for a hot device to cool. `tool`:
        measures instead of latkit's agent. Raises UsageError where what the device's file names on this host was not
        confirmed (see `devices.trust`).
        """
        device, make = self.device(target.device), measuring_with(tool) if tool else None
        check_trusted(device)
        with (
            quarantining(self.devices_dir, device.name),
            leased(device, str(target), wait_s, tell) as lease,
            RecoveringSession(
                device.name,
                lambda: open_unchanged(device, target, cores, tell, cooling, lease.hold_machine, make),
                tell,
                lease.renew,
            ) as session,
            self.store(target) as store,
        ):
            elsewhere = session.boot_id not in ("", host_boot_id())
            collection = Collection(session, store, self.exporter(target), plan, progress, overlapping=elsewhere)
            _tell_what_changed(collection, session.boot_id, tell)
            collection = on_scale(collection, collection.export(REFERENCE), new_scale, tell)
            yield collection
            keep_scale(store, collection.setup())

    def exporter(self, target: Target) -> Exporter:
        """Gives the artefacts of subjects for a target, from the cache where they are there; for any thread."""
        from latkit.runtimes.cache import ArtefactCache

        cache = ArtefactCache()

        def export(subject: Subject) -> Artefact:
            with self._exporting:
                return cache.artefact(subject, target)

        return export

    def check_scales(self, device: str) -> Iterator[Check]:
        """Whether the reference still takes on each measured target what is kept as its latency there."""
        for target, setup in self.latest_setups(device).items():
            with self.store(target) as store:
                scale = store.scale(setup)
            if scale is not None and setup.agent != BenchmarkTool.name:
                try:
                    yield self._check_scale(target, setup, scale)
                except LatkitError as error:
                    yield Check(f"scale {target}", None, str(error), "see what else fails")

    def _check_scale(self, target: Target, setup: Setup, scale: Scale) -> Check:
        device = self.device(target.device)
        check_trusted(device)
        with open_session(device, target, cores=parse_cores(setup.affinity)) as session:
            found = recheck(session, self.exporter(target)(REFERENCE), scale, target)
        remedy = f"if it is to stay so: latkit collect {target} --space SPACE --new-scale" if found.changed else ""
        ok = False if found.changed else None if abs(found.moved) > DRIFT else True
        return Check(f"scale {target}", ok, str(found), remedy)


def _tell_what_changed(collection: Collection, boot_id: str, tell: Tell) -> None:
    """Tell what differs from the setup of the latest measurements, which Setup keeps apart from new ones."""
    target, before = collection.store.target, collection.store.latest_setup()
    if before is None:
        return
    changed = setup_changes(before, replace(collection.setup(), scale=before.scale))
    if changed:
        tell(f"since {target} was measured last, {changed}; what was measured before is kept apart")
    if boot_id and collection.store.latest_boot_id() not in ("", boot_id):
        tell(f"{target.device} was booted since {target} was measured last")
