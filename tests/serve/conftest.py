"""A workspace with fifty running jobs, and its live view."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.layout import FittedModels
from latkit.layout.jobs import FOLDER, Job, JobRecord, PhaseRecord, _record_of
from latkit.serve.server import Server
from tests.report.made_profiles import made_profile
from tests.report.test_browser import HOSTILE

ROOT = Path(__file__).parents[2]
JOBS = 50


def running_job(number: int, name: str = "proxyless-mobile") -> JobRecord:
    """A job of this process."""
    record = _record_of(Job("collect", (f"board-{number}/onnxruntime-t4-fp32-b1",), name))
    now = time.time()
    phases = [
        PhaseRecord(name="exporting", done=90, total=90, at=now),
        PhaseRecord(name="measuring", done=number, total=100, text="conv 32×3×3", at=now, ends_at=now + 600),
    ]
    return record.model_copy(update={"begun_at": now - number, "phases": tuple(phases)})


def save_job(root: Path, number: int, record: JobRecord) -> None:
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    (root / FOLDER / f"{number}.json").write_text(record.model_dump_json())


@pytest.fixture(scope="session")
def live_workspace(tmp_path_factory: pytest.TempPathFactory) -> FittedModels:
    folder = tmp_path_factory.mktemp("live") / "workshop"
    workspace = FittedModels.init(folder)
    shutil.copy(ROOT / "devices" / "epyc-vm.toml", folder / "devices")
    name = "cifar10-zen3-vm-tflite-t1"
    shutil.copytree(ROOT / "search" / name, folder / "search" / name)
    profiles = folder / "measurements" / "made" / "onnxruntime-t1-fp32-b1" / "profiles"
    profiles.mkdir(parents=True)
    made_profile("model.onnx").save(profiles / "model-aaaaaaaa-0.json")
    for number in range(JOBS - 1):
        save_job(folder, number, running_job(number))
    save_job(folder, JOBS, running_job(JOBS, HOSTILE))
    killed = running_job(1).model_copy(update={"process_start": 1, "command": "validate"})
    save_job(folder, JOBS + 1, killed)
    return workspace


@pytest.fixture(scope="session")
def live(live_workspace: FittedModels) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch, Server(live_workspace, "127.0.0.1", 0) as server:
        patch.setattr("latkit.serve.server.SECONDS_BETWEEN_VIEWS", 0.1)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture(autouse=True)
def _remove_jobs_of_the_test(live_workspace: FittedModels) -> Iterator[None]:
    """A job that a test runs is not in the next one's view."""
    yield
    for path in (live_workspace.root / FOLDER).glob("*-*-*.json"):
        path.unlink()
