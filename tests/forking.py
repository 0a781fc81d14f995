"""Programs in processes of their own, forked off one that has imported the heavy packages: importing takes seconds.

As a script, `forking.py serve SOCKET TESTS...` is that process, and `forking.py run SOCKET ARGUMENTS...` stands for
`python ARGUMENTS...`. All workers of pytest share the process: the first that needs it starts it, and it ends after the
last of them. If pytest forks its workers off it, it has imported the modules of the tests, too.

A request is the files for stdin, stdout and stderr, sent with one byte, and a line of JSON: the program's arguments,
as those of `python`, its folder and its environment. The answer is a line with the exit status.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "lightning_fabric", "sklearn.linear_model", "scipy.stats", "plotly.graph_objects", "onnx", "paramiko")
OWN = ("latkit.workspace.workspace", "latkit.report.write", "latkit.cli.app", "latkit.zoo")
"""What is imported beforehand: what most programs need, and nothing that reads the environment or starts threads."""
DEADLINE_S = 280
"""Longer than any program takes, and shorter than the timeout of a test."""
MAX_WAITING = 64


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A connection to the process that others are forked off, which lives as long as somebody is connected."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(address)
        yield connection


def send(connection: socket.socket, argv: list[str], cwd: str, env: Mapping[str, str], files: list[int]) -> int:
    """Have a program run to its end. Returns its exit status, or the number of the signal that ended it, negated."""
    socket.send_fds(connection, [b"."], files)
    connection.sendall(json.dumps({"argv": argv, "cwd": cwd, "env": dict(env)}).encode() + b"\n")
    with connection.makefile() as answers:
        answer = answers.readline()
    if not answer:
        raise ConnectionError("the process that others are forked off has ended")
    return int(answer)


class Forks:
    """Runs Python programs as `subprocess.run([sys.executable, *argv])` does, but for the time of importing."""

    def __init__(self, address: Path) -> None:
        self._address = str(address)

    def run(
        self, *argv: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. `env` is added to this process's environment."""
        arguments = [str(word) for word in argv]
        with Path(os.devnull).open() as none, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with connected(self._address) as connection:
                files = [none.fileno(), out.fileno(), err.fileno()]
                status = send(connection, arguments, str(cwd), {**os.environ, **(env or {})}, files)
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(arguments, status, out.read(), err.read())

    def printed_by_imports(self) -> str:
        """What was printed while the process imported the heavy packages, before it ran the first program."""
        return Path(self._address).with_suffix(".loaded").read_text()

    def python(self, folder: Path) -> Path:
        """Write an executable file that is used as the one of Python is, by programs that start others."""
        found = folder / "python"
        argv = [sys.executable, "-SE", __file__, "run", self._address]
        found.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in argv) + ' "$@"\n')
        found.chmod(0o755)
        return found


@contextmanager
def forks(folder: Path, *tests: str) -> Iterator[Forks]:
    """Programs forked off the process whose socket is in a folder; it is started if there is none.

    `tests` are arguments of pytest: the process imports the modules that pytest would collect.
    """
    from latkit.testing.host import locked

    address = folder / "forks"
    with ExitStack() as stack:
        with locked(address.with_suffix(".lock")):
            if not address.exists():
                environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
                command = [sys.executable, "-P", __file__, "serve", str(address), *tests]
                with address.with_suffix(".log").open("ab") as log:
                    subprocess.run(
                        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True
                    )
            stack.enter_context(connected(str(address)))
        yield Forks(address)


def serve(address: Path, *tests: str) -> None:
    """Run what is requested until nobody is connected anymore. Returns at once in the process that started."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen(MAX_WAITING)
        if os.fork():
            return
        os.setsid()
        log = address.with_suffix(".log")
        before = log.stat().st_size
        load()
        sys.stdout.flush()
        sys.stderr.flush()
        address.with_suffix(".loaded").write_bytes(log.read_bytes()[before:])
        if tests:
            collect(*tests)
        from latkit.testing.host import locked

        users: set[int] = set()
        while True:
            if select.select([server], [], [], 1 if users else DEADLINE_S)[0]:
                accept(server, users)
            users -= {process for process in users if os.waitpid(process, os.WNOHANG)[0]}
            if not users:
                with locked(address.with_suffix(".lock")):  # so that nobody connects meanwhile
                    if not select.select([server], [], [], 0)[0]:
                        address.unlink()
                        os._exit(0)


def load() -> None:
    """Import everything."""
    import warnings
    from importlib import import_module

    sys.path.insert(0, str(ROOT))
    from latkit.errors import MissingExtra

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as in the tests
        for name in (*HEAVY, *OWN):
            import_module(name)
    with suppress(MissingExtra):
        import_module("latkit.runtimes.tflite")._import_litert_torch()
    measure_briefly()
    sys.path.remove(str(ROOT))


def collect(*tests: str) -> None:
    """Import modules of tests as pytest does: each of its workers would rewrite their assertions, and import them.

    What cannot be imported, the workers report. Programs may have other plug-ins on their path than these modules saw.
    """
    import gc

    import pytest

    from latkit._registry import Registry

    pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *tests])
    gc.unfreeze()  # what is frozen, the next line would not find
    for one in gc.get_objects():
        if isinstance(one, Registry):
            one._plugins = None
    gc.freeze()


def measure_briefly() -> None:
    """Time the networks of searches in a tenth of the seconds, and let a machine's speed change while the tests run.

    No test judges a latency; those of the check of the baseline use the fixture `speed_is_judged`.
    """
    from latkit.profiling import baseline_check
    from latkit.timing import TimingPlan
    from latkit.workspace.profiling import target_session

    target_session.DEFAULT_PLAN = TimingPlan(rounds=3, round_s=0.02, extra_rounds=0)
    baseline_check.relative_change = lambda *_given: 0.0
    baseline_check.baseline_has_changed = lambda *_given: False


def accept(server: socket.socket, users: set[int]) -> None:
    """Fork a process for everyone who connects."""
    connection, _ = server.accept()
    with connection:
        process = os.fork()
        if process:
            users.add(process)
            return
        server.close()
        with suppress(ConnectionError):
            while True:
                answer(connection)
        os._exit(0)


def answer(connection: socket.socket) -> None:
    """Fork the next program of a connection, and wait for it. It is killed if the other side is gone."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as lines:
        line = lines.readline()
    if not line:
        raise ConnectionError
    process = os.fork()
    if not process:
        connection.close()
        run(json.loads(line), files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(process)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    os.close(ended)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    connection.sendall(f"{status}\n".encode())


def run(request: dict[str, object], files: list[int]) -> None:
    """Become that program, and end."""
    import traceback

    status = 1
    try:
        prepare(request, files)
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
    import atexit

    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def prepare(request: dict[str, object], files: list[int]) -> None:
    """Take over the folder, the environment, the files and the arguments."""
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    for handle, file in enumerate(files):
        os.dup2(file, handle)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for the life of the process
    sys.argv = list(request["argv"])  # type: ignore[call-overload]
    sys.path[:0] = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]


def start(option: str, *arguments: str) -> None:
    """Run a program that is named as on the command line: `-m MODULE`, `-c CODE` or a file, after `-u` or not."""
    import runpy
    from types import ModuleType

    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    if option == "-u":
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        start(*arguments)
    elif option == "-c":
        sys.argv, sys.path[:0] = ["-c", *arguments[1:]], [""]
        exec(compile(arguments[0], "<string>", "exec"), main.__dict__)
    elif option == "-m":
        sys.argv, sys.path[:0] = list(arguments), [str(Path.cwd())]
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[:0] = [option, *arguments], [str(Path(option).parent)]
        runpy.run_path(option, run_name="__main__")


def become(address: str, *argv: str) -> None:
    """Have a program run in place of this process."""
    with connected(address) as connection:
        connection.settimeout(None)  # it may be a worker of pytest, which has hours
        status = send(connection, list(argv), str(Path.cwd()), os.environ, [0, 1, 2])
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    verb, *argv = sys.argv[1:]
    if verb == "serve":
        serve(Path(argv[0]), *argv[1:])
    else:
        become(*argv)
