"""Programs in processes of their own, forked off one that has imported the heavy packages: importing takes seconds.

This file as a script is that process. It reads one JSON object a line: the program's arguments, as those of
`python`, its folder, its environment, and the files for its output; it answers with the exit status.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "lightning_fabric", "sklearn.linear_model", "scipy.stats", "plotly.graph_objects", "onnx", "paramiko")
OWN = ("latkit.workspace.workspace", "latkit.report.write", "latkit.cli.app", "latkit.zoo")
"""What is imported beforehand: what most programs need, and nothing that reads the environment or starts threads."""


class Forks:
    """Runs Python programs as `subprocess.run([sys.executable, *argv])` does, but for the time of importing."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(
        self, *argv: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. `env` is added to this process's environment."""
        assert self._server.stdin
        assert self._server.stdout
        arguments = [str(word) for word in argv]
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            request = {"argv": arguments, "cwd": str(cwd), "env": {**os.environ, **(env or {})}}
            self._server.stdin.write(json.dumps({**request, "out": str(out), "err": str(err)}) + "\n")
            self._server.stdin.flush()
            answer = self._server.stdout.readline()
            assert answer, f"the process that others are forked off ended with status {self._server.wait()}"
            status = int(answer)
            return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


@contextmanager
def forks() -> Iterator[Forks]:
    """The process that others are forked off, ended afterwards."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", __file__]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Forks(server)
        assert server.stdin
        server.stdin.close()


def serve() -> None:
    """Run one program after the other, until stdin ends."""
    sys.path.insert(0, str(ROOT))
    for name in (*HEAVY, *OWN):
        import_module(name)
    sys.path.remove(str(ROOT))
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if not process:
            run(request)
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n")
        answers.flush()


def run(request: dict[str, object]) -> None:
    """Become that program, and end."""
    status = 1
    try:
        prepare(request)
        start(*sys.argv)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # noqa: BLE001 - as Python shows it
        traceback.print_exc()
    finally:
        end(status)


def end(status: int) -> None:
    """End as Python does, whatever fails then: this process must not go on as a second server."""
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def prepare(request: dict[str, object]) -> None:
    """Take over the folder, the environment, the files and the arguments."""
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    for handle, name in ((0, os.devnull), (1, str(request["out"])), (2, str(request["err"]))):
        file = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(file, handle)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for the life of the process
    sys.argv = list(request["argv"])  # type: ignore[call-overload]
    sys.path[:0] = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]


def start(option: str, *arguments: str) -> None:
    """Run a program that is named as on the command line: `-m MODULE`, `-c CODE` or a file."""
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    if option == "-c":
        sys.argv, sys.path[:0] = ["-c", *arguments[1:]], [""]
        exec(compile(arguments[0], "<string>", "exec"), main.__dict__)
    elif option == "-m":
        sys.argv, sys.path[:0] = list(arguments), [str(Path.cwd())]
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[:0] = [str(Path(option).parent)]
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    serve()
