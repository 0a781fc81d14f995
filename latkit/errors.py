"""Every error latkit raises on purpose, as one tree.

LatkitError
├── UsageError            an argument is invalid: an unknown name, a file of the wrong content (exit code 2)
│   └── BadFile           a file does not hold what it claims to
├── NotMeasured           a requested latency was not measured and no model can predict it
├── TargetOutOfReach      a latency target that no network of the space can meet
├── MeasurementConflict   numbers taken under different conditions were about to be merged
├── MissingExtra          an optional package is needed and not installed
├── ExportError           a network could not be turned into a runtime's artifact
├── WriteError            a file of this machine cannot be written
│   └── DiskFull          the host has no room for what was measured or learned
├── HostLimit             this machine allows no more open files or processes
├── StoreBusy             another process keeps the measurements or a history locked
├── OutOfMemory           a search needs more memory than there is
├── BundleError           the native agent could not be built from what the host has
└── DeviceError           the device, or the connection to it
    ├── Unreachable       nothing answers there, or it refuses the connection
    ├── HostKeyError      the host key is unknown or has changed
    ├── DeviceGone        the connection or the agent died during an operation
    ├── DeadlineExceeded  no answer within the time allowed
    ├── AgentError        the agent answered with an error of its own
    ├── ModelRejected     the device's runtime rejects a model file
    ├── RuntimeMissing    the device lacks the runtime that the target names
    ├── DeviceBusy        another user holds the device's lease
    ├── DeviceFailing     the device failed repeatedly and was quarantined
    └── DeviceQuarantined the device is quarantined and was not examined since
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self


class LatkitError(Exception):
    """Base of all errors that latkit raises on purpose. `exit_code` is the exit code of the command line.

    `detail` is the message of a library, in its own terms; the command line shows it with --verbose.
    """

    exit_code = 1
    detail: str = ""

    def with_detail(self, detail: object) -> Self:
        """The error itself, with that as its detail."""
        self.detail = str(detail)
        return self


class UsageError(LatkitError):
    """A name does not exist or is not well formed."""

    exit_code = 2


class BadFile(UsageError):
    """A file does not hold what it claims to."""

    def __init__(self, path: object, expected: str, found: str) -> None:
        super().__init__(f"{path}: expected {expected}, but found {found}")
        self.path, self.expected, self.found = path, expected, found


class NotMeasured(LatkitError):
    """A requested latency was not measured and cannot be predicted."""


class TargetOutOfReach(LatkitError):
    """A latency target outside the feasible range of the space on this target."""


class MeasurementConflict(LatkitError):
    """Measurements that differ in what identifies a number do not merge."""


class InvalidMeasurement(LatkitError):
    """A round is not saved, because it could not be read again."""


class MissingExtra(LatkitError):
    """An optional package is needed for this and is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'latkit[{extra}]'")
        self.package = package
        self.extra = extra


class ExportError(LatkitError):
    """An op or a network could not be turned into an artifact for a runtime."""


class WriteError(LatkitError):
    """A file of this machine cannot be written; its previous content is unchanged."""


class HostLimit(LatkitError):
    """This machine allows no more open files or processes."""


class StoreBusy(LatkitError):
    """Another process keeps a target's measurements locked."""


class DiskFull(WriteError):
    """The host's disk has no room for new measurements or models; everything written before is intact."""


class OutOfMemory(LatkitError):
    """A search needs more memory than the machine or its accelerator has; its last checkpoint is intact."""


class BundleError(LatkitError):
    """The native agent's bundle could not be built, or its content has changed since."""


class DeviceError(LatkitError):
    """Something went wrong on a device or on the connection to it."""


class Unreachable(DeviceError):
    """Nothing answers at the device's address, or it refuses the connection."""


class HostKeyError(DeviceError):
    """The host key of an SSH device is unknown or is not the known one."""


class DeviceGone(DeviceError):
    """The connection or the agent died during an operation."""


class DeadlineExceeded(DeviceError):
    """The device did not answer within the time allowed."""


class AgentError(DeviceError):
    """The agent answered a request with an error. `kind` is the agent's name for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"the device's agent reports {kind}: {message}")
        self.kind = kind


class ModelRejected(DeviceError):
    """The device's runtime rejects a model file, for its own reason."""


class RuntimeMissing(DeviceError):
    """The device lacks the runtime that the target names."""


class DeviceBusy(DeviceError):
    """Another user holds the device's lease, or has taken ours over."""


class DeviceFailing(DeviceError):
    """A device failed repeatedly and was quarantined. `faults` lists each fault and when it was seen."""

    def __init__(self, device: str, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(
            f"{device} was given up after {len(faults)} faults in a row, the last being: {faults[-1][1]}; "
            f"everything measured before is kept. Examine it with: latkit device doctor {device}"
        )
        self.faults = tuple(faults)


class DeviceQuarantined(DeviceError):
    """A quarantined device is not measured on until it is examined."""
