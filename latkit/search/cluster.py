"""Evaluations on the machines of a Ray cluster."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from latkit._io import one_line
from latkit.errors import DeviceError, LatkitError, NotMeasured, UsageError
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.measure_unsure import OF_ONE_NETWORK, Measure
from latkit.search.evaluators.verdict import Verdict
from latkit.search.workers import Judged, Task, judge_one
from latkit.spaces.base import Architecture

MAX_LOST = 4
"""Times that an evaluation may be lost before it counts as failed: until a cluster notices that a machine is gone, new
actors may be sent there."""
MAX_FAILED_STARTS = 20
"""Actors that may fail to start one after the other before the search stops."""
CONNECT_S = 10.0
"""Seconds that its port has to take a connection."""
MAX_START_S = 60.0
"""Seconds that a cluster has to answer."""


class EvaluationActor:
    """Evaluates on one machine of the cluster, one task at a time."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def ready(self) -> None:
        """Answered once the actor runs."""

    def judge(self, task: Task) -> Judged:
        """See `judge_one`."""
        return judge_one(self._evaluator, task)


class RayWorkers:
    """Actors spread over the machines of a cluster. One that dies loses the evaluation in flight and nothing else.

    A lost evaluation is repeated on any machine that is left, and fails when it is lost again. Only actors that run get
    tasks: a new one waits for a free processor, forever where the cluster has fewer of them than `workers`.
    Devices are measured from one machine; see `MeasureOnHost`.
    """

    def __init__(self, evaluator: Evaluator, address: str, workers: int) -> None:
        """`address`: `auto`, or HOST:PORT. Raises UsageError where there is no cluster or no Ray."""
        self._ray, self._owns = connect(address)
        self._evaluator = self._ray.put(evaluator)
        kind: Any = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(EvaluationActor)
        self._kind: Any = kind
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._failed_starts = 0
        self._running: dict[Any, tuple[Any, Task]] = {}
        self._waiting: list[Task] = []
        self._attempts: dict[int, int] = {}
        for _ in range(workers):
            self._make()

    def submit(self, task: Task) -> None:
        """Start a task, or queue it."""
        self._waiting.append(task)
        self._start()

    def wait_any(self, due: int) -> dict[int, Judged]:  # noqa: ARG002 - whatever comes first
        """New verdicts by number, at least one."""
        found: dict[int, Judged] = {}
        while not found:
            ready, _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
            for reference in ready:
                if reference in self._starting:
                    self._take_started(reference)
                else:
                    self._take_verdict(reference, found)
            self._start()
        return found

    def close(self) -> None:
        """End the actors; what still runs is not waited for."""
        for actor in (*self._idle, *self._starting.values(), *(actor for actor, _ in self._running.values())):
            self._ray.kill(actor)
        if self._owns:
            self._ray.shutdown()

    def _make(self) -> None:
        actor = self._kind.remote(self._evaluator)
        self._starting[actor.ready.remote()] = actor

    def _take_started(self, reference: Any) -> None:
        """Use an actor that runs now; replace one that could not start. Raises LatkitError after many of those."""
        actor = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts > MAX_FAILED_STARTS:
                raise LatkitError(
                    f"expected workers on the Ray cluster, but {self._failed_starts} failed to start: "
                    f"{one_line(str(error), 300)}"
                ) from error
            self._make()
        else:
            self._failed_starts = 0
            self._idle.append(actor)

    def _take_verdict(self, reference: Any, found: dict[int, Judged]) -> None:
        """Add a task's verdict, or repeat the task with another actor."""
        actor, task = self._running.pop(reference)
        try:
            found[task.number] = self._ray.get(reference)
            self._idle.append(actor)
        except self._ray.exceptions.RayError as error:
            self._make()
            self._lose(task, error, found)

    def _start(self) -> None:
        while self._waiting and self._idle:
            actor, task = self._idle.pop(0), self._waiting.pop(0)
            self._running[actor.judge.remote(task)] = actor, task

    def _lose(self, task: Task, error: Exception, found: dict[int, Judged]) -> None:
        """Repeat a task that was lost with its actor, or give it up."""
        attempt = self._attempts[task.number] = self._attempts.get(task.number, 0) + 1
        if attempt < MAX_LOST:
            self._waiting.insert(0, task)
        else:
            found[task.number] = Verdict.failed(f"the worker process died: {one_line(str(error), 120)}")


class MeasuringActor:
    """Measures on the machine that it runs on."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    def measure(self, quantity: str, architecture: Architecture) -> float | LatkitError:
        """The measured value; why there is none."""
        try:
            return self._measure(quantity, architecture)
        except OF_ONE_NETWORK as error:
            return NotMeasured(str(error))
        except LatkitError as error:
            return DeviceError(str(error))


class MeasureOnHost:
    """Measures from the machine that began the search, wherever an evaluation runs.

    Its devices are reached from there, the machine itself may be one, and its leases see each other. One actor of the
    cluster measures, one architecture at a time.
    """

    def __init__(self, measure: Measure, address: str) -> None:
        """`address`: as for `RayWorkers`. Raises UsageError as it does."""
        ray, _ = connect(address)
        here = ray.get_runtime_context().get_node_id()
        affinity = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(here, soft=False)
        remote = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=1, scheduling_strategy=affinity)
        self._actor: Any = remote(MeasuringActor).remote(measure)

    def __call__(self, quantity: str, architecture: Architecture) -> float:
        """See `Measure`. Raises NotMeasured for an error of one network, and DeviceError for all others."""
        found = import_module("ray").get(self._actor.measure.remote(quantity, architecture))
        if isinstance(found, LatkitError):
            raise found
        return float(found)


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A connection to a cluster, if one is named, before anything is written. Raises UsageError as `connect` does."""
    if address is None:
        yield
        return
    ray, owns = connect(address)
    try:
        yield
    finally:
        if owns:
            ray.shutdown()


def connect(address: str) -> tuple[Any, bool]:
    """Ray, connected to a cluster, and whether this call connected it. Raises UsageError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = current_cluster() if address == "auto" else address
    is_local = address.startswith(("127.", "localhost"))
    if is_local:  # or Ray looks for the cluster at an address that other machines reach
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise UsageError("expected Ray for --cluster, but found none; install latkit[cluster]") from error
    if ray.is_initialized():
        return ray, False
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", str(int(MAX_START_S)))
    try:
        check_answers(address)
        at = {"_node_ip_address": "127.0.0.1"} if is_local else {}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **at)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"expected a Ray cluster at {one_line(address, 80)}, but found none; start one with: ray start --head "
            f"--node-ip-address 127.0.0.1 --include-dashboard false ({one_line(str(error), 160)})"
        ) from error
    return ray, True


def check_answers(address: str) -> None:
    """Raise OSError where nothing listens at HOST:PORT: Ray would try for a minute, and print warnings of its own."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


def current_cluster() -> str:
    """The address of the cluster that `ray start` began on this machine; `auto` where none is noted."""
    path = Path(tempfile.gettempdir(), "ray", "ray_current_cluster")
    if os.environ.get("RAY_ADDRESS"):
        return os.environ["RAY_ADDRESS"]
    return path.read_text().strip() if path.is_file() else "auto"
