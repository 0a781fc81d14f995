"""The session: an open connection to a device, in which one target is measured."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from latkit.devices.agent import PROTOCOL
from latkit.devices.android.phone import PhoneWatch, phone_facts, properties
from latkit.devices.cpu_topology import UNPINNED, check_cores, check_inherited, ranges
from latkit.devices.device import Device, Facts
from latkit.devices.sessions.agent_client import SILENCE_S, Answer, Link
from latkit.devices.sessions.agent_launcher import COMMAND_S, launch, models_folder
from latkit.devices.sessions.answers import Conditions, Described, Files, LoadedModel, Pinned, Timed, checked
from latkit.devices.sessions.thermal import COOLING, Cooling
from latkit.devices.transports import Transport, connect
from latkit.errors import AgentError, DeviceError, RuntimeMissing, UsageError
from latkit.runtimes import Artifact, get_runtime
from latkit.targets import Target
from latkit.timing import REFERENCE, Environment, Round, TimingPlan

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"
BOOT_ID = re.compile(r"[0-9A-Za-z_. -]{1,100}")
CONDITIONS_S = 20.0
FACTS_S = 60.0
LOAD_S = 120.0
IMPORT_S, ALLOCATED_BYTES_PER_S = 50.0, 20e6
"""What holds a Python agent's interpreter on a slow board: importing a runtime, and TFLite's allocation of a model."""
ROUND_MARGIN_S = 120.0
"""A round holds at least one block, which a large network on a slow core can make long."""
LOADED_SHARE = 1 / 16
"""Budget for the models loaded at once, as a share of the device's memory and a sum of file sizes: runtimes hold them
packed, at about twice that. Loading an unloaded model again costs as much as a round.
"""
MIN_LOADED_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a device is used during a session."""

    cores: tuple[int, ...] = ()
    """The cores that the agent may run on, all if empty. The affinity is the agent's own and ends with it."""
    cooling: Cooling = COOLING
    """When rounds wait for the device to cool."""
    silence_s: float = SILENCE_S
    """After this time without a sign of life, a working agent is killed."""
    loaded_bytes: int | None = None
    """Budget for the models loaded at once, as the sum of their files; by default a share of the device's memory."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A device whose agent is ready for a target."""

    device: Device
    target: Target
    transport: Transport
    link: Link


DEFAULT_OPTIONS = SessionOptions()


def open_session(
    device: Device,
    target: Target,
    options: SessionOptions = DEFAULT_OPTIONS,
    on_message: Callable[[str], None] = lambda _text: None,
    make: SessionMaker | None = None,
) -> Session:
    """Connect to a device, start its agent and prepare that target.

    `on_message` reports a device that does not allow pinning to the cores of the options. `make`: creates a session of
    another kind. Raises UsageError for a target of another device or with more threads than it has cores, and for
    missing cores, RuntimeMissing, and the errors of connecting.
    """
    cores = options.cores
    _check(device, target)
    check_cores(device, target, cores)
    transport = connect(device.transport)
    try:
        link = launch(transport, device.name, device.folder, device.python, options.silence_s)
        session = (make or Session)(Connection(device, target, transport, link), options, on_message)
        if cores and not session.pin(cores):
            on_message(
                f"{device.name} does not allow pinning to cores {ranges(cores)}: what it measures stays unpinned"
            )
        check_inherited(device, target, session.allowed_cores())
        return session
    except BaseException:
        transport.close()
        raise


class Session:
    """A device ready for one target. Created by `open_session`; used by one thread; closed at the end of a `with`."""

    def __init__(
        self,
        connection: Connection,
        options: SessionOptions = DEFAULT_OPTIONS,
        on_message: Callable[[str], None] = lambda _text: None,
    ) -> None:
        device, transport, link = connection.device, connection.transport, connection.link
        self.device = device
        self.target = connection.target
        self._transport = transport
        self._link = link
        self._phone = PhoneWatch(transport, device.transport)
        share_bytes = max(int(device.facts.memory_bytes * LOADED_SHARE), MIN_LOADED_BYTES)
        self._budget_bytes = share_bytes if options.loaded_bytes is None else options.loaded_bytes
        self._cooling: Cooling | None = options.cooling
        self._on_message = on_message
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._has_loaded = False
        self._push_s = self._load_s = 0.0
        self._present = set(checked(Files, link.ask("files", CONDITIONS_S), "files", device.name).sha256)
        self.boot_id = boot_id(transport)

    def pin(self, cores: tuple[int, ...]) -> bool:
        """Pin the models loaded from now on to these cores; returns whether the device allows it."""
        try:
            answer = self._link.ask("pin", CONDITIONS_S, cores=list(cores))
        except AgentError as error:
            if error.kind == "unknown-request":  # an agent from before pinning
                return False
            raise
        return tuple(checked(Pinned, answer, "pin", self.device.name).affinity) == cores

    def environment(self, artifact: Artifact, reference: Artifact, reference_key: str = REFERENCE.key) -> Environment:
        """What identifies the numbers of that artifact, timed alternately with that reference. Loads both."""
        loaded = self._handle(artifact)
        self._handle(reference)
        conditions = self._agent_conditions()
        return Environment(
            device_key=self.device.key,
            runtime_version=loaded.runtime_version,
            delegate=loaded.delegate,
            exporter=artifact.exporter,
            opset=artifact.opset,
            affinity=self._affinity(self._cores_in(conditions)),
            reference_key=reference_key,
            protocol=PROTOCOL,
            governor=conditions.governor or "",
            emulated=self.device.facts.emulated,
            agent=self.device.agent,
        )

    def load(self, artifact: Artifact) -> None:
        """Put an artifact on the device unless it is there, and load it.

        Raises AgentError of kind `bad-model` if the runtime rejects it, RuntimeMissing, DeadlineExceeded, DeviceGone.
        """
        self._handle(artifact)

    def loaded(self, artifact: Artifact) -> LoadedModel:
        """The agent's response to loading an artifact; it is loaded as needed. Raises as `load` does."""
        return self._handle(artifact)

    def ask(self, request: str, deadline_s: float, **fields: object) -> Answer:
        """The agent's response to a request, unchecked. Raises AgentError, DeadlineExceeded, DeviceGone."""
        return self._link.ask(request, deadline_s, **fields)

    @property
    def present(self) -> frozenset[str]:
        """SHA-256 of the models' files on the device."""
        return frozenset(self._present)

    def unload(self, artifact: Artifact) -> None:
        """Free the memory of an artifact. Nothing happens if it is not loaded."""
        loaded = self._loaded.pop(artifact.load_key, None)
        if loaded is not None:
            del self._sizes[artifact.load_key]
            with suppress(DeviceError):  # a lost agent has freed it
                self._link.ask("unload", CONDITIONS_S, handle=loaded.handle)

    def remove_files(self, names: Iterable[str]) -> None:
        """Remove files of models from the device, by their SHA-256; what cannot be removed stays."""
        paths = [self._model_path(sha256) for sha256 in names]
        if paths:
            with suppress(DeviceError):
                self._transport.run(["rm", "-f", "--", *paths], COMMAND_S)
            self._present.difference_update(path.rpartition("/")[2] for path in paths)

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        """One short round of the plan, with the conditions before and after it; both models are loaded as needed.

        `conditions["turn"]` holds the number of runs of each in a block. `push_s`, `load_s` and `cooled_s` hold the
        seconds spent on pushing, loading, and waiting for a hot device to cool, if any. Raises DeviceError.
        """
        self._push_s = self._load_s = 0.0
        theirs = self._handle(reference).handle
        mine = self._handle(artifact, keep=reference.load_key).handle
        before, paused_s = self._when_cool()
        started_at = time.time()
        answer = self._link.ask(
            "time",
            2 * plan.round_s + ROUND_MARGIN_S,
            handle=mine,
            reference=theirs,
            visit_s=plan.round_s,
            visit_runs=plan.round_runs,
        )
        timed = checked(Timed, answer, "time", self.device.name)
        conditions: dict[str, object] = {
            "before": before,
            "after": self.conditions(),
            "turn": answer.get("turn"),
            "inference_ns": timed.inference_ns,
        }
        spent = {"push_s": self._push_s, "load_s": self._load_s, "cooled_s": paused_s}
        conditions.update({name: seconds for name, seconds in spent.items() if seconds})
        try:
            return Round(
                started_at=started_at,
                wall_ns=tuple(timed.wall_ns),
                cpu_ns=tuple(timed.cpu_ns),
                preemptions=tuple(timed.preemptions),
                reference_wall_ns=tuple(timed.reference_wall_ns),
                reference_cpu_ns=tuple(timed.reference_cpu_ns),
                conditions=conditions,
            )
        except UsageError as error:
            raise DeviceError(f"{self.device.name}: the agent's samples make no round: {error}") from error

    def facts(self) -> Facts:
        """The facts about the device now. Raises DeviceError."""
        answer = self._link.ask("probe", FACTS_S, runtimes_s=0)
        found = checked(Described, answer, "probe", self.device.name).facts
        return phone_facts(found, properties(self._transport, self.device.transport))

    def conditions(self) -> dict[str, object]:
        """Current frequencies, temperatures, load, free memory and disk, governor and affinity; and a phone's state."""
        return {**self._ask_conditions(), **self._phone.conditions()}

    def _ask_conditions(self) -> Answer:
        """The conditions as the agent reports them, including fields of later versions. Raises DeviceError."""
        answer = self._link.ask("conditions", CONDITIONS_S)
        checked(Conditions, answer, "conditions", self.device.name)
        return answer

    def _when_cool(self) -> tuple[dict[str, object], float]:
        """The conditions once the device is not hot, and the seconds waited."""
        conditions = self.conditions()
        if self._cooling is None or not self._cooling.is_hot(conditions):
            return conditions, 0.0
        conditions, paused_s = self._cooling.pause(self.conditions)
        if self._cooling.is_hot(conditions):
            self._on_message(f"{self.device.name} is hot, and has not cooled in {paused_s:.0f} s: it is measured hot")
            self._cooling = None  # otherwise every round would wait as long in vain
        return conditions, paused_s

    def close(self) -> None:
        """End the agent and the connection. Never raises."""
        self._link.close()
        self._transport.close()

    def _handle(self, artifact: Artifact, keep: str = "") -> LoadedModel:
        """The agent's response to loading the artifact, which is now the most recently used."""
        key = artifact.load_key
        if key not in self._loaded:
            size_bytes = _size_bytes(artifact)
            self._make_room(size_bytes, keep)
            self._loaded[key] = self._push_and_load(artifact)
            self._sizes[key] = size_bytes
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _push_and_load(self, artifact: Artifact) -> LoadedModel:
        """Load a model on the device; push its files first if they are missing, or turn out to be damaged."""
        files = list(artifact.files())
        missing = [(path, sha256) for path, sha256 in files if sha256 not in self._present]
        if not missing:
            try:
                return self._ask_to_load(artifact)
            except AgentError as error:
                if error.kind not in ("missing-file", "hash-mismatch"):
                    raise
                missing = files
        begun = time.monotonic()
        for path, sha256 in missing:
            self._transport.push(path, self._model_path(sha256))
        self._push_s += time.monotonic() - begun
        loaded = self._ask_to_load(artifact)
        self._present.update(sha256 for _, sha256 in missing)
        return loaded

    def _model_path(self, sha256: str) -> str:
        """Path of a model's file on the device."""
        return f"{models_folder(self.device.folder)}/{sha256}"

    def _ask_to_load(self, artifact: Artifact) -> LoadedModel:
        target, begun = self.target, time.monotonic()
        try:
            fields = {
                "sha256": artifact.sha256,
                "runtime": get_runtime(target.runtime).loader,
                "threads": target.threads,
                "precision": target.precision,
                "batch": target.batch,
                **artifact.load_fields(),
            }
            answer = self._link.ask_blocking("load", LOAD_S, self._blocked_s(artifact), fields)
        except AgentError as error:
            if error.kind == "runtime-missing":
                raise _missing(self.device, target.runtime) from error
            raise
        self._has_loaded = True
        self._load_s += time.monotonic() - begun
        return checked(LoadedModel, answer, "load", self.device.name)

    def _blocked_s(self, artifact: Artifact) -> float:
        """How long loading may hold the agent's interpreter."""
        if self.device.agent != "python":
            return 0.0
        size_bytes = _size_bytes(artifact)
        return (0.0 if self._has_loaded else IMPORT_S) + size_bytes // ALLOCATED_BYTES_PER_S

    def _make_room(self, size_bytes: int, keep: str) -> None:
        """Unload the least recently used models until another fits into the budget."""
        for sha256 in list(self._loaded):
            if sum(self._sizes.values()) + size_bytes <= self._budget_bytes:
                return
            if sha256 != keep:
                self._link.ask("unload", CONDITIONS_S, handle=self._loaded.pop(sha256).handle)
                del self._sizes[sha256]

    def allowed_cores(self) -> tuple[int, ...]:
        """The cores that the agent may run on. Raises DeviceError."""
        return self._cores_in(self._agent_conditions())

    def _agent_conditions(self) -> Conditions:
        return checked(Conditions, self._link.ask("conditions", CONDITIONS_S), "conditions", self.device.name)

    def _cores_in(self, conditions: Conditions) -> tuple[int, ...]:
        if conditions.affinity is None:
            raise DeviceError(f"{self.device.name}: expected the agent to tell its affinity, but found none")
        return tuple(conditions.affinity)

    def _affinity(self, allowed: tuple[int, ...]) -> str:
        return UNPINNED if len(allowed) >= len(self.device.facts.cores) else ranges(allowed)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


SessionMaker = Callable[[Connection, SessionOptions, Callable[[str], None]], Session]
"""Creates a session from what `open_session` has opened."""


def boot_id(transport: Transport) -> str:
    """The kernel's boot id of the device, which changes with each boot. Empty if it reports none."""
    found = transport.run(["cat", BOOT_ID_FILE], COMMAND_S).stdout.decode(errors="replace").strip()
    return found if BOOT_ID.fullmatch(found) else ""


def _check(device: Device, target: Target) -> None:
    if target.device != device.name:
        raise UsageError(f"expected a target of device {device.name}, but found {target}")
    count = len(device.facts.cores)
    if target.threads > count:
        raise UsageError(f"{target} asks for {target.threads} threads, but {device.name} has {count} cores")
    if target.runtime not in device.runtimes:
        raise _missing(device, target.runtime)


def _missing(device: Device, runtime: str) -> RuntimeMissing:
    present = ", ".join(device.runtimes) or "none"
    needs = get_runtime(runtime).needs
    hardware = f"; it needs {needs} there" if needs else ""
    return RuntimeMissing(
        f"{device.name} lacks the runtime {runtime} (present: {present}){hardware}; install it with: "
        f"latkit device doctor {device.name} --install"
    )


def _size_bytes(artifact: Artifact) -> int:
    """Size of all files of an artifact."""
    return sum(path.stat().st_size for path, _ in artifact.files())
