"""The precisions that targets execute: probed when first needed, and saved with the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from latkit.devices import Check, Device, PrecisionProbe, SessionOptions, open_session
from latkit.errors import LatkitError, UsageError
from latkit.ops.precision import FP32
from latkit.profiling import Collection
from latkit.profiling.precision_probes import probe_precisions
from latkit.runtimes import get_runtime
from latkit.targets import Target
from latkit.workspace.profiling.target_session import MeasuringWorkspace


def check_precisions(
    workspace: MeasuringWorkspace, collection: Collection, target: Target, precisions: Iterable[str]
) -> None:
    """Raise UsageError for a precision that the target does not execute; it lists those that it does.

    What the device's file does not hold yet is probed in the collection's session, and saved there.
    """
    needed = sorted({*precisions, target.precision} - {FP32.name})
    if not needed:
        return
    device = workspace.device(target.device)
    if target.runtime not in (device.precisions or {}):
        base = _base(target)
        probed = probe_precisions(collection.session, workspace.exporter(base), base)
        device = _saved(workspace, device, target.runtime, probed)
    known = (device.precisions or {})[target.runtime]
    for precision in needed:
        probe = known.get(precision)
        if probe is None or probe.speedup is None:
            reason = f" ({probe.reason})" if probe is not None else ""
            raise UsageError(
                f"expected a precision that {device.name} executes with {target.runtime} "
                f"({device.shown_precisions(target.runtime)}), but found {precision}{reason}"
            )


def doctor_precisions(workspace: MeasuringWorkspace, name: str) -> Iterator[Check]:
    """Probe every runtime of a device that has several precisions, and save what it executes.

    The device is leased by the caller.
    """
    for runtime in [one for one in workspace.device(name).runtimes if len(get_runtime(one).precisions) > 1]:
        target, device = Target(name, runtime, precision=get_runtime(runtime).precisions[0]), workspace.device(name)
        try:
            with open_session(device, target, SessionOptions()) as session:
                found = probe_precisions(session, workspace.exporter(target), target)
        except LatkitError as error:
            yield Check(f"precisions {runtime}", None, str(error), "see what else fails")
            continue
        device = _saved(workspace, device, runtime, found)
        yield Check(f"precisions {runtime}", True, device.shown_precisions(runtime))


def _saved(workspace: MeasuringWorkspace, device: Device, runtime: str, found: Mapping[str, PrecisionProbe]) -> Device:
    changed = device.model_copy(update={"precisions": {**(device.precisions or {}), runtime: dict(found)}})
    changed.write(workspace.devices_dir, replace=True)
    return changed


def _base(target: Target) -> Target:
    return replace(target, precision=get_runtime(target.runtime).precisions[0])
