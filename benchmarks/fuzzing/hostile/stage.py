"""A scenario is run: its device is prepared, then its command, then the commands that show its traces."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.fuzzing.hostile import adb, talks
from benchmarks.fuzzing.hostile.agent import HONEST, Script, interpreter
from benchmarks.fuzzing.hostile.scenario import Scenario
from benchmarks.fuzzing.hostile.shell import Shell
from benchmarks.fuzzing.hostile.ssh import ssh_server
from latkit.devices import lease_key, load_device
from latkit.testing.sockets import listening

Run = Callable[..., int | None]
"""Runs a command of latkit in a workspace; its exit code, None if it failed in a forbidden way."""

SPACE = """
name = "two"
input_shape = [1, 4, 4]

[[layers]]
name = "body"
candidates = [{ kind = "conv", out_channels = 2 }, { kind = "conv", out_channels = 2, kernel = 5 }]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]
"""
DEVICE = "x"
TARGET = f"{DEVICE}/onnxruntime"
COLLECT = ("--space", "two.toml", "--networks", 0, "--rounds", 2, "--round-seconds", 0.01, "--extra-rounds", 0)
LISTENERS = {"ssh-talk": talks.SSH, "adb-talk": talks.ADB_SERVER, "phone-talk": talks.PHONE}


def prepare(root: Path) -> None:
    """An empty workspace, and the environment of its commands; the working folder is the workspace's."""
    for name in ("devices", "measurements", "search"):
        (root / name).mkdir(parents=True)
    (root / "two.toml").write_text(SPACE)
    (root / "leases").mkdir()
    (root / "home").mkdir()
    os.chdir(root)
    os.environ |= {
        "LATKIT_LEASES": str(root / "leases"),
        "XDG_CONFIG_HOME": str(root / "home" / "config"),
        "HOME": str(root / "home"),
        "COLUMNS": "200",
    }


def play(scenario: Scenario, root: Path, run: Run) -> tuple[int | None, list[str]]:
    """The exit code of the scenario's command, and latkit's requests to kill processes that are not its own."""
    with ExitStack() as stack:
        options, shell = stack.enter_context(_connection_options(scenario, root))
        if scenario.transport == "lease":
            code = _with_lease(scenario, root, run, options)
        elif scenario.command == "add":
            code = run("device", "add", DEVICE, *options)
        else:
            code = _on_device(scenario, root, run, options)
        _show_device(root, run)
        return code, shell.wrong_kills


def _on_device(scenario: Scenario, root: Path, run: Run, options: list[object]) -> int | None:
    """Add an honest device, which then shows what it is."""
    script(root, HONEST)
    run("device", "add", DEVICE, *options)
    script(root, scenario.script)
    if scenario.command == "doctor":
        code = run("device", "doctor", DEVICE)
        return 0 if code == 1 and scenario.fails is False else code  # a fake fails some checks
    return run("collect", "space", TARGET, *COLLECT)


def _with_lease(scenario: Scenario, root: Path, run: Run, options: list[object]) -> int | None:
    """Add a device, and let another user leave something in place of its lease."""
    run("device", "add", DEVICE, *options)
    path = root / "leases" / f"{lease_key(load_device(root / 'devices', DEVICE))}.json"
    _leave(scenario, path)
    code = run("device", "list")
    run("device", "show", DEVICE)
    run("collect", "space", TARGET, *COLLECT)
    return code


def _leave(scenario: Scenario, path: Path) -> None:
    if "special" in scenario.texts:
        kind = scenario.texts["special"].decode()
        path.unlink(missing_ok=True)
        made: dict[str, Callable[[], object]] = {
            "fifo": lambda: os.mkfifo(path),
            "folder": path.mkdir,
            "link": lambda: path.symlink_to("/dev/zero"),
            "loop": lambda: path.symlink_to(path.name),
            "garbage": lambda: path.write_bytes(b"\0\xff{[/red]"),
            "10 MB": lambda: path.write_bytes(b"[" * 10**7),
            "empty": path.touch,
            "deep": lambda: path.write_text('{"a":' * 3000 + "1" + "}" * 3000),
        }
        made[kind]()
        return
    if "lease" not in scenario.texts:
        return
    held = _holder()
    text = scenario.texts["lease"].decode()
    if text.startswith("{"):
        path.write_text(json.dumps({**held, **json.loads(text)}))
    else:
        name, _, value = text.partition("=")
        path.write_text(json.dumps({**held, name: "MARK"}).replace('"MARK"', value))


def _holder() -> dict[str, object]:
    """A record of a live process: this one's parent."""
    from latkit.devices.leases.holder import ourselves

    return {**ourselves("a purpose", 60.0).model_dump(mode="json"), "pid": os.getppid(), "process_start": 0}


def _show_device(root: Path, run: Run) -> None:
    """Every command that shows what a device has sent."""
    if not (root / "devices" / f"{DEVICE}.toml").exists():
        return
    run("device", "list")
    run("device", "show", DEVICE)
    run("report", "-o", root / "report.html")
    if list((root / "measurements").glob("*/*/measurements.sqlite")):
        run("report", TARGET, "-o", root / "target.html")
        run("measurements", "export", TARGET, "-o", root / "out.parquet")
        run("fit", TARGET)


def script(root: Path, content: Script) -> None:
    """The behavior of the local device's agent from now on."""
    (root / "python").mkdir(exist_ok=True)
    (root / "python" / "script.json").write_text(json.dumps(content))


@contextmanager
def _connection_options(scenario: Scenario, root: Path) -> Iterator[tuple[list[object], Shell]]:
    """The words of `device add` that lead to the scenario's device, and the shell that keeps what it was asked."""
    shell = Shell(texts=scenario.texts, pid=scenario.pid)
    with ExitStack() as stack:
        if scenario.transport in ("local", "lease"):
            script(root, HONEST if scenario.transport == "lease" else scenario.script)
            program = interpreter(root / "python")
            yield ["--local", "--python", program, "--agent-folder", root / "agent"], shell
        elif scenario.transport == "ssh":
            address = stack.enter_context(ssh_server(root / "ssh", shell, scenario.script))
            yield ["--ssh", "board", "--ssh-config", address.config], shell
        elif scenario.transport == "phone":
            phone = stack.enter_context(adb.phone(adb.PhoneShell(shell, scenario.script)))
            yield ["--adb", phone, "--python", "/usr/bin/python3"], shell
        elif scenario.transport == "adb":
            server_ = adb.AdbServer(
                scenario.texts.get("listing", b"phone\tdevice\n"),
                adb.PhoneShell(shell, scenario.script),
                {
                    name: answer_text
                    for name, answer_text in scenario.texts.items()
                    if name.startswith(("host", "shell", "exec"))
                },
            )
            _use_server(stack.enter_context(listening(server_.talk)))
            yield ["--adb", "phone", "--python", "/usr/bin/python3"], shell
        else:
            talk = LISTENERS[scenario.transport][scenario.texts["talk"].decode()]
            port = stack.enter_context(listening(talk))
            yield _to_listener(scenario.transport, port, root), shell


def _to_listener(transport: str, port: int, root: Path) -> list[object]:
    if transport == "phone-talk":
        return ["--adb", f"127.0.0.1:{port}"]
    if transport == "adb-talk":
        _use_server(port)
        return ["--adb", "phone"]
    config = root / "ssh_config"
    config.write_text(f"Host board\n HostName 127.0.0.1\n Port {port}\n User me\n UserKnownHostsFile /dev/null\n")
    return ["--ssh", "board", "--ssh-config", config]


def _use_server(port: int) -> None:
    os.environ["ANDROID_ADB_SERVER_PORT"] = str(port)
    os.environ["ANDROID_ADB_SERVER_ADDRESS"] = "127.0.0.1"
