"""Mini searches in processes of their own, as torchrun starts several, or killed during the search.

`python -m tests.search.processes FOLDER` runs the jobs of `FOLDER/jobs.json` one after the other. All of them are
forked off this process, because starting takes longer than a mini search.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from latkit.errors import LatkitError
from latkit.ops import Network
from latkit.search import Problem, SearchSettings, finalize, load_data, run_search
from latkit.search.baselines import BaselineRequest, EvolutionPlan, ladder
from latkit.search.baselines.run import run_baselines
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.once_for_all.training.run import train_supernet
from latkit.search.training.exports import export
from latkit.search.training.runtime_env import is_first_process
from latkit.spaces import ChainSpace, Space, load_saved
from latkit.tables import LatencyTable
from tests.forking import Forks


@dataclass(frozen=True)
class Job:
    """One search, and how it ends."""

    folder: str
    settings: dict[str, object]
    target_s: float
    ranks: int = 1
    resume: bool = False
    stop_in: str = ""
    """The phase in which the first process stops, or `export`; none if empty."""
    stop_at: int = 0
    """After this many of its steps."""
    kill: bool = False
    """By SIGKILL, rather than by an exception."""
    baselines: tuple[str, ...] = ()
    """Baselines trained after it."""
    curriculum: str = ""
    """Of a supernet, which is trained in place of a search."""


class Stop:
    """Progress that ends the process."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        assert done <= total, text
        if phase == self.job.stop_in and done == self.job.stop_at:
            self.now()

    def now(self) -> None:
        if self.job.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        raise LatkitError("stopped by the test")


def killed_after(work: Callable[..., Any], stop: Stop) -> Callable[..., Any]:
    def wrapped(*arguments: Any) -> Any:
        found = work(*arguments)
        stop.now()
        return found

    return wrapped


def train(folder: Path, job: Job) -> None:
    """Train the supernet of `folder/space.json`."""
    space, data = load_saved(folder / "space.json"), load_data(str(folder / "stripes.npz"), 8, 1)
    settings = SupernetSettings.make(**job.settings)
    train_supernet(SupernetProblem(space, data, settings, job.curriculum), Path(job.folder), Stop(job), job.resume)


def search(folder: Path, job: Job) -> None:
    space, table = ChainSpace.load(folder / "space.json"), LatencyTable.load(folder / "table.json")
    data = load_data(str(folder / "stripes.npz"), 8, 1)
    stop, settings = Stop(job), SearchSettings.make(**job.settings)
    if job.stop_in == "export":
        finalize.export = killed_after(export, stop)  # type: ignore[attr-defined]
    problem, folder = Problem(space, table, data, job.target_s, settings), Path(job.folder)
    run_search(problem, folder, stop, job.resume)
    if job.baselines:
        parsed = map(BaselineRequest.parse, job.baselines)
        requested = [one.model_copy(update={"evolution": EVOLUTION}) for one in parsed]
        latency_of = narrowest_fits(space, job.target_s) if is_first_process() else None
        run_baselines(problem, folder, requested, latency_of, stop)


EVOLUTION = EvolutionPlan(evaluations=2, images=16, population=2, tournament=1)


def narrowest_fits(space: Space, target_s: float) -> Callable[[Network], float]:
    """MobileNetV2 at its narrowest hits the target, and all others miss it."""
    narrowest = next(ladder(space))
    return lambda network: target_s * (1 if network == narrowest else 2)


@contextmanager
def rank_of(job: Job, rank: int, port: int) -> Iterator[None]:
    """The environment that torchrun gives its processes."""
    if job.ranks > 1:
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": job.ranks, "LOCAL_WORLD_SIZE": job.ranks}
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
        os.environ.update({name: str(value) for name, value in {**ranks, **where}.items()}, TORCHELASTIC_RUN_ID="test")
    yield


def forked(folder: Path, job: Job, rank: int, port: int) -> int:
    """The process id of one rank. Its result is written next to its folder."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        with rank_of(job, rank, port):
            (train if job.curriculum else search)(folder, job)
        status = 0
    except LatkitError as error:
        Path(f"{job.folder}-{rank}.txt").write_text(str(error))
    except Exception:  # noqa: BLE001  # or the traceback would be lost with the fork
        traceback.print_exc()
    finally:
        os._exit(status)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    ends: list[list[int]] = []
    for fields in json.loads((folder / "jobs.json").read_text()):
        job = Job(**fields)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
        processes = [forked(folder, job, rank, port) for rank in range(job.ranks)]
        ends += [[os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]]
    (folder / "ends.json").write_text(json.dumps(ends))


def run_jobs(
    forked: Forks, folder: Path, space: Space, table: LatencyTable | None, jobs: Sequence[Job]
) -> dict[str, list[int]]:
    """Run jobs in processes of their own, one job after the other; how their processes ended, by the job's folder."""
    space.save(folder / "space.json")
    if table is not None:
        table.save(folder / "table.json")
    (folder / "jobs.json").write_text(json.dumps([asdict(job) for job in jobs]))
    done = forked.run("-m", "tests.search.processes", folder, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    ends = json.loads((folder / "ends.json").read_text())
    return dict(zip((Path(job.folder).name for job in jobs), ends, strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
