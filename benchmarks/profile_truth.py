"""How truthful `latkit profile` is on this machine. Figures that need a device or a part that is absent are null.

    python benchmarks/profile.py [--comparisons 40] [--aa 100] [--max-seconds 1100] [--state FILE] [--json]
    python benchmarks/profile.py --transformers [--files FOLDER] [--state FILE] [--json]

- models: latency of three models on onnxruntime and TFLite, by the Python and the native agent, on this machine and by
  SSH, beside the runtime called directly, in alternation (low decile of both); the sum of the ops' times as a share of
  the profiled run; the profiled run's slowdown; rank correlation of the ops' times with onnxruntime's own trace.
- aa_false_alarm_percent: comparisons of a model with itself that report a difference, and the same with a busy process
  on each core. slowdown_3_percent_found_percent: comparisons with a model that is 3 % longer that report it as slower.
- first_answer_s: from the start of the command to its end, for a model of about 20 ms on this machine; and by SSH, on a
  server of this machine's that has the model already.
- With --transformers, ten architectures of transformers with random weights are profiled on both runtimes instead.

It can be interrupted: everything found is in the state file, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.profile_latency import CASES, PLAN, SIZES, make_onnx, measure_case, read, registered
from latkit._io import write_text
from latkit.cli.console import show_facts, show_table
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, Ssh, add_device
from latkit.errors import LatkitError
from latkit.evaluation.ab import difference
from latkit.profiling.profile import ModelRequest, ProfileRequest
from latkit.profiling.profile.pairs import PairPass
from latkit.targets import Target
from latkit.testing.boards.sshd import running_sshd
from latkit.testing.host import Unavailable
from latkit.timing import TimingPlan
from latkit.workspace import Workspace
from latkit.workspace.profiling.comparisons import time_passes
from latkit.workspace.profiling.profiles import profile_models
from latkit.workspace.profiling.target_session import MeasureOptions

TARGET = Target("here", "onnxruntime")
BASE, PADDED = (33, 16, 28, 0), (34, 16, 28, 0)
"""The second has one layer more, and so takes 3 % longer."""


@dataclass
class State:
    """What was found, saved after every step."""

    path: Path
    found: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> State:
        empty: dict[str, Any] = {"models": {}, "aa": {"idle": [], "loaded": []}, "padded": [], "first_answer_s": None}
        found = {**empty, **(json.loads(path.read_text()) if path.is_file() else {})}
        if not isinstance(found["first_answer_s"], dict):
            found["first_answer_s"] = {}
        return cls(path, found)

    def save(self) -> None:
        write_text(self.path, json.dumps(self.found, indent=1) + "\n")

    def document(self) -> dict[str, Any]:
        alarms = {name: [verdict != "no difference" for verdict in found] for name, found in self.found["aa"].items()}
        return {
            "models": self.found["models"],
            "aa_false_alarm_percent": {name: percent(found) for name, found in alarms.items()},
            "slowdown_3_percent_found_percent": percent([verdict == "slower" for verdict in self.found["padded"]]),
            "first_answer_s": {name: self.found["first_answer_s"].get(name) for name in ("local", "ssh")},
            "comparisons": {name: len(found) for name, found in alarms.items()} | {"padded": len(self.found["padded"])},
            "load_average": os.getloadavg()[0],
        }


def percent(found: list[bool]) -> float | None:
    return 100 * sum(found) / len(found) if found else None


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Processes that do nothing but compute."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def latencies(workspace: Workspace, folder: Path, state: State, end: float) -> None:
    """Every case that the state lacks; only where sshd runs."""
    missing = [case for case in CASES if case.name not in state.found["models"]]
    try:
        with registered(workspace, folder) as devices, ConsoleProgress() as progress:
            for number, case in enumerate(missing):
                if time.monotonic() < end:
                    progress.advance("models", number, len(missing), case.name)
                    state.found["models"][case.name] = measure_case(workspace, folder, devices, case)
                    state.save()
    except Unavailable as error:
        print(f"no latencies: {error}", file=sys.stderr)


def compare(workspace: Workspace, folder: Path, state: State, given: argparse.Namespace, end: float) -> None:
    """Comparisons with the padded model, whose passes hold those of the model with itself, and more of the latter."""
    base, padded = make_onnx(folder / "base.onnx", *BASE), make_onnx(folder / "padded.onnx", *PADDED)
    aa, found = state.found["aa"], state.found["padded"]
    with (
        ConsoleProgress() as progress,
        workspace.collection(TARGET, MeasureOptions(PLAN, wait_s=600)) as collection,
    ):
        while time.monotonic() < end and len(found) < given.comparisons:
            passes = time_passes(collection, [read(base), read(padded)], progress)
            found.append(verdict(passes.ab))
            aa["idle"].append(verdict(passes.aa))
            state.save()
        for name, processes in (("idle", 0), ("loaded", os.cpu_count() or 1)):
            with busy(processes):
                while time.monotonic() < end and len(aa[name]) < given.aa:
                    aa[name].append(verdict(time_passes(collection, [read(base)], progress).ab))
                    state.save()
                    progress.advance(name, len(aa[name]), given.aa)


def verdict(passes: list[PairPass]) -> str:
    return difference([one.log_ratio(use_cpu_time=True) for one in passes]).verdict


def first_answers(workspace: Workspace, folder: Path, state: State) -> None:
    """Seconds from the start of the command to its end, on this machine and by SSH; the latter only where sshd runs."""
    answers = state.found["first_answer_s"]
    path = make_onnx(folder / "first.onnx", *SIZES["chain-20ms"])
    if "local" not in answers:
        first = make_onnx(folder / "peaks.onnx", *SIZES["chain-1ms"])
        profile_s(workspace, TARGET, first)  # a target's peaks are saved
        answers["local"] = profile_s(workspace, TARGET, path)
        state.save()
    if "ssh" not in answers:
        try:
            (folder / "sshd").mkdir()
            with running_sshd(folder / "sshd") as server:
                address = Ssh(host="board", config=str(server.config))
                board = add_device(workspace.devices_dir, "board", address, python=sys.executable)
                target = Target(board.name, TARGET.runtime)
                profile_s(workspace, target, path)
                answers["ssh"] = profile_s(workspace, target, path)
            state.save()
        except Unavailable as error:
            print(f"no board by SSH: {error}", file=sys.stderr)


def profile_s(workspace: Workspace, target: Target, path: Path) -> float:
    """Seconds from the start of `latkit profile` to its end."""
    command = [sys.executable, "-m", "latkit", "-C", str(workspace.root), "profile", str(target), str(path)]
    begin = time.perf_counter()
    subprocess.run([*command, "--wait", "600"], check=True, capture_output=True)
    return time.perf_counter() - begin


def transformers(workspace: Workspace, given: argparse.Namespace, state: State, end: float) -> None:
    """Profile every architecture on every runtime, and print a line for each."""
    from benchmarks.external_files import architectures, files_of

    found = state.found.setdefault("transformers", {})
    for runtime in ("onnxruntime", "tflite"):
        rows = found.setdefault(runtime, {})
        for name, make in architectures().items():
            if name not in rows and time.monotonic() < end:
                path = files_of(given.files, runtime, "fp32", {name: make})[name]
                rows[name] = architecture_row(workspace, Target(TARGET.device, runtime), path)
                state.save()
            if not given.json and name in rows:
                print(f"{runtime} {name}: {row_text(rows[name])}", flush=True)
    if given.json:
        print(json.dumps({"transformers": found}))


def architecture_row(workspace: Workspace, target: Target, path: Path) -> dict[str, Any]:
    """The figures of one profile; the error of one that failed."""
    request = ProfileRequest(target, (ModelRequest(path),), TimingPlan(rounds=3, extra_rounds=0), wait_s=600)
    try:
        (profile,) = profile_models(workspace, request).profiles
    except LatkitError as error:
        return {"error": str(error)}
    slowest = max(profile.ops, key=lambda op: op.ms, default=None)
    return {
        "median_ms": profile.latency_ms.p50,
        "load_ms": profile.load_ms,
        "peak_memory_bytes": profile.peak_memory_bytes,
        "ops": len(profile.ops),
        "op_sum_percent": profile.profiler.op_sum_percent if profile.profiler else None,
        "slowest": slowest.kind if slowest else None,
        "fallbacks": len(profile.fallbacks),
    }


def row_text(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"failed: {row['error']}"
    sum_text = "" if row["op_sum_percent"] is None else f", {row['op_sum_percent']:.0f} % of the profiled run"
    return f"{row['median_ms']:.3f} ms, {row['ops']} ops{sum_text}, slowest kind {row['slowest']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=40, help="comparisons with the padded model")
    parser.add_argument("--aa", type=int, default=100, help="comparisons of a model with itself, idle and loaded")
    parser.add_argument("--max-seconds", type=float, default=1100.0, help="stop after so long")
    parser.add_argument("--transformers", action="store_true", help="profile ten architectures on both runtimes")
    parser.add_argument("--files", type=Path, default=Path("build/architectures"), help="where their files are kept")
    parser.add_argument("--state", type=Path, default=Path("build/profile-benchmark.json"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    end = time.monotonic() + given.max_seconds
    given.state.parent.mkdir(parents=True, exist_ok=True)
    state = State.load(given.state)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        workspace = Workspace.init(folder / "ws")
        add_device(workspace.devices_dir, TARGET.device, Local(), agent_folder=str(folder / "agent"))
        if given.transformers:
            transformers(workspace, given, state, end)
            return
        latencies(workspace, folder, state, end)
        if time.monotonic() < end:
            first_answers(workspace, folder, state)
        compare(workspace, folder, state, given, end)
    document = state.document()
    show_table("models", [{"model": name, **row} for name, row in document["models"].items()])
    show_facts("comparisons", {name: str(value) for name, value in document.items() if name != "models"})
    if given.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
