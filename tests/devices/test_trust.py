"""Another user's workspace runs nothing here, and shows no keys of this user, before it was confirmed."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from latkit.consent import ask, ask_with
from latkit.devices import (
    Address,
    Device,
    Local,
    Ssh,
    add_device,
    check_trusted,
    install,
    load_device,
    remove_device,
    trust,
)
from latkit.devices.sessions.host_state import recall, remember, state_folder
from latkit.devices.trust import named_by
from latkit.errors import UsageError, WriteError
from latkit.workspace import Workspace
from tests.conftest import Run
from tests.devices.conftest import this_machine


def test_no_runtime_is_installed_by_an_untrusted_interpreter(untrusted: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not confirmed"):
        install(untrusted / "devices", "here", ["onnxruntime"])
    assert not (tmp_path / "ran").exists()


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def untrusted(board: Device, tmp_path: Path) -> Path:
    """A workspace with three devices, each of which would run a script of the workspace's."""
    root = Workspace.init(tmp_path / "foreign").root
    script = root / "devices" / "run.sh"
    script.write_text(f'#!/bin/sh\ntouch {tmp_path / "ran"}\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    config = root / "devices" / "config"
    config.write_text(f'Match exec "touch {tmp_path / "ran"}"\n HostName 127.0.0.1\n Port 1\n')
    address: Address
    for name, address, python in (
        ("here", Local(), str(script)),
        ("relative", Local(), "devices/run.sh"),
        ("pi", Ssh(host="board", config=str(config)), "/usr/bin/python3"),
    ):
        device = this_machine(board, tmp_path, address)
        device.model_copy(update={"name": name, "python": python}).write(root / "devices")
    return root


@pytest.fixture
def within(untrusted: Path, latkit: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of latkit in that workspace."""
    monkeypatch.chdir(untrusted)
    return latkit


@pytest.mark.parametrize(
    ("name", "named"),
    [("here", "the interpreter .*/devices/run.sh"), ("relative", "the interpreter .*/devices/run.sh"),
     ("pi", "the SSH configuration .*/devices/config")],
)  # fmt: skip
def test_what_asks_the_device_is_refused_and_runs_nothing(within: Run, tmp_path: Path, name: str, named: str) -> None:
    for arguments in (
        ["collect", "space", f"{name}/onnxruntime", "--space", "proxyless-tiny", "--rounds", "1"],
        ["device", "doctor", name],
    ):
        code, _, err = within(*arguments)
        assert code == 2, err
        assert "Traceback" not in err
        assert re.search(
            rf"{name}: its device file names {named} \(SHA-256 \w+\.\.\.\)( and the agent's folder \S+)?, "
            rf"which was not confirmed on this host; nothing was run\. If you know it, "
            rf"confirm it with: latkit device trust {name}",
            err,
        ), err
    assert not (tmp_path / "ran").exists()


def test_what_only_reads_works(within: Run, tmp_path: Path) -> None:
    assert within("device", "list")[0] == 0
    assert within("device", "show", "here", "--json")[0] == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_confirming_holds_until_the_content_changes(within: Run, untrusted: Path, tmp_path: Path) -> None:
    named, folder = json.loads(within("device", "trust", "here", "--json")[1])
    assert (named["what"], named["path"]) == ("the interpreter", str(untrusted / "devices" / "run.sh"))
    assert (folder["what"], folder["path"]) == ("the agent's folder", str(tmp_path / "agent"))
    device = load_device(untrusted / "devices", "here")
    check_trusted(device)
    (untrusted / "devices" / "run.sh").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="not confirmed"):
        check_trusted(device)
    assert not (tmp_path / "ran").exists(), "confirming runs nothing"


def test_measuring_is_guarded_in_python_too(untrusted: Path, tmp_path: Path) -> None:
    from latkit.targets import Target

    workspace = Workspace(untrusted)
    with (
        pytest.raises(UsageError, match="not confirmed"),
        workspace.collection(Target("here", "onnxruntime")),
    ):
        pass
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_adding_a_device_confirms_its_arguments(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    named = tmp_path / "link"
    named.symlink_to(script)
    device = add_device(tmp_path, "me", Local(), python=str(named), agent_folder=str(tmp_path / "agent"))
    check_trusted(device)
    check_trusted(device.model_copy(update={"python": sys.executable}))
    assert remove_device(tmp_path, "me") is None


def test_an_untrusted_configuration_is_not_used_even_to_remove_a_device(untrusted: Path, tmp_path: Path) -> None:
    for other in ("here", "relative"):
        (untrusted / "devices" / f"{other}.toml").unlink()
    assert "not confirmed" in str(remove_device(untrusted / "devices", "pi"))
    assert not (untrusted / "devices" / "pi.toml").exists()
    assert not (tmp_path / "ran").exists()


def test_what_needs_no_confirmation(board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").touch()
    mine = Ssh(host="board", config=str(tmp_path / ".ssh" / "config"))
    local = board.model_copy(update={"transport": Local(), "folder": str(tmp_path / ".cache" / "latkit")})
    native = local.model_copy(update={"agent": "native", "python": None})
    gone = local.model_copy(update={"python": "/no/python"})
    for device in (board, board.model_copy(update={"transport": mine}), native, gone):
        assert named_by(device) == []


def test_a_link_next_to_the_users_python_is_another_interpreter(board: Device, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    device = board.model_copy(update={"transport": Local(), "python": str(tmp_path / "python")})
    assert named_by(device)[0].path == tmp_path / "python"


def test_nothing_is_run_from_a_folder_that_a_workspace_names(board: Device, tmp_path: Path) -> None:
    device = this_machine(board, tmp_path, Local()).model_copy(update={"folder": "/proc/self/cwd/agent"})
    with pytest.raises(UsageError, match="names the agent's folder /proc/self/cwd/agent, which was not confirmed"):
        check_trusted(device)
    trust(device)
    check_trusted(device)


@pytest.mark.slow
def test_no_module_is_taken_from_a_workspace_or_from_the_folder_of_the_agent(within: Run, untrusted: Path) -> None:
    agent, ran = untrusted / "agent", untrusted / "ran"
    code, _, err = within("device", "add", "mine", "--local", "--agent-folder", agent)
    assert code == 0, err
    for name in ("numpy", "onnxruntime", "torch", "queue", "multiprocessing", "venv", "runpy"):
        for place in (agent, untrusted):
            (place / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write('{name} of {place}\\n')\n")
    command = [sys.executable, "-P", "-m", "latkit", "device", "doctor", "mine"]
    done = subprocess.run(command, cwd=untrusted, capture_output=True, check=False)
    assert b"onnxruntime" in done.stdout
    assert not ran.exists(), ran.read_text()


def test_the_user_is_prompted_on_an_interactive_terminal(untrusted: Path, tmp_path: Path) -> None:
    device = load_device(untrusted / "devices", "here")
    questions: list[str] = []
    try:
        ask_with(lambda question: bool(questions.append(question)))
        with pytest.raises(UsageError, match="not confirmed"):
            check_trusted(device)
        ask_with(lambda question: not questions.append(question))
        check_trusted(device)
        ask_with(None)
        check_trusted(device)
    finally:
        ask_with(None)
    assert len(questions) == 2
    assert questions[0].startswith("The device file of here names the interpreter ")
    assert not ask("anything?")


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("\n", False)])
def test_a_terminal_shows_the_prompt(untrusted: Path, tmp_path: Path, answer: str, agreed: bool) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "latkit", "device", "doctor", "here"]
    process = subprocess.Popen(command, cwd=untrusted, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    output = bytearray()

    def read() -> None:
        while b"[y/N]" not in output or process.poll() is None:
            try:
                output.extend(os.read(ours, 1000))
            except OSError:
                return
            if output.endswith(b"[y/N] "):
                os.write(ours, answer.encode())

    reader = threading.Thread(target=read)
    reader.start()
    process.wait(120)
    reader.join(10)
    os.close(ours)
    assert b"Use it on this machine? [y/N]" in output
    assert (tmp_path / "ran").exists() == agreed
    assert (b"not confirmed" in output) != agreed


def test_a_state_that_cannot_be_written(board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    device = board.model_copy(update={"transport": Local(), "python": "/bin/sh"})
    with pytest.raises(WriteError, match="XDG_STATE_HOME names another"):
        trust(device)


def test_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember("kind", "key", {"a": "b"})
    assert recall("kind", "key") == {"a": "b"}
    assert recall("kind", "other") is None
    (state_folder() / "kind" / "key.json").write_text("{")
    assert recall("kind", "key") is None
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local" / "state" / "latkit"
