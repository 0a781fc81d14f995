"""One holder per device, whatever happens to the others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from latkit.devices import Device, Local, Ssh, holder_of, host_boot_id, is_this_host, lease_key, leased
from latkit.devices.leases.lease import Lease
from latkit.devices.leases.lease_file import RECORD_BYTES, locked, read
from latkit.errors import DeviceBusy, DeviceError
from latkit.testing.boards.disk import small_disk
from tests.devices.transports.test_transports import alive
from tests.waiting import PATIENCE_S, ending_soon, soon

HOLD = """
import sys, time
from pathlib import Path
from latkit.devices import Device, leased
device = Device.model_validate_json(sys.argv[1])
with leased(device, "elsewhere", folder=Path(sys.argv[2]), ttl_s=float(sys.argv[3])):
    print("held", flush=True)
    time.sleep(600)
"""

RACE = """
import sys, time
from pathlib import Path
from latkit.devices import Device, leased
device, folder = Device.model_validate_json(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    with leased(device, "race", wait_s=600, folder=folder):
        inside = folder / "inside"
        inside.touch(exist_ok=False)
        time.sleep(0.002)
        inside.unlink()
"""


def elsewhere(board: Device, folder: Path, ttl_s: float = 60) -> subprocess.Popen[bytes]:
    """Another process that holds the board."""
    command = [sys.executable, "-c", HOLD, board.model_dump_json(), str(folder), str(ttl_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_a_second_process_learns_who_holds_the_lease(board: Device, tmp_path: Path) -> None:
    with leased(board, "board/tflite-t1", folder=tmp_path):
        held = holder_of(board, tmp_path)
        assert held is not None
        assert (held.pid, held.purpose) == (os.getpid(), "board/tflite-t1")
        message = rf"board is used by \S+ \(process {os.getpid()} on \S+\) since .+ UTC for board/tflite-t1; .*--wait"
        with pytest.raises(DeviceBusy, match=message), leased(board, "other", folder=tmp_path):
            pass
    assert holder_of(board, tmp_path) is None
    with leased(board, "other", folder=tmp_path):
        pass


def test_it_is_released_on_errors(board: Device, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), leased(board, "x", folder=tmp_path):
        raise ZeroDivisionError
    assert holder_of(board, tmp_path) is None


def with_facts(device: Device, **changes: object) -> Device:
    return device.model_copy(update={"facts": device.facts.model_copy(update=changes)})


def test_without_a_boot_id_hardware_and_address_identify_the_device(board: Device) -> None:
    assert lease_key(board) == lease_key(board.model_copy(update={"name": "another", "folder": "/elsewhere"}))
    assert lease_key(board) == lease_key(board.model_copy(update={"transport": Ssh(host="Board", port=2222)}))
    assert lease_key(board) != lease_key(board.model_copy(update={"transport": Ssh(host="board")}))
    assert lease_key(board) != lease_key(with_facts(board, memory_bytes=2**30))


def test_the_same_machine_reached_in_two_ways_has_one_lease(board: Device, tmp_path: Path) -> None:
    here = board.model_copy(update={"name": "here", "transport": Local()})
    by_ssh = with_facts(board, boot_id=host_boot_id())
    elsewhere = with_facts(board, boot_id="another")
    assert lease_key(here) == lease_key(by_ssh) == lease_key(with_facts(by_ssh, memory_bytes=1))
    assert (is_this_host(here), is_this_host(by_ssh), is_this_host(elsewhere)) == (True, True, False)
    message = "board is used by .* for here/x"
    with leased(here, "here/x", folder=tmp_path), pytest.raises(DeviceBusy, match=message):
        leased(by_ssh, "board/x", folder=tmp_path).__enter__()


def test_a_machine_that_was_booted_between_two_commands_has_one_lease(board: Device, tmp_path: Path) -> None:
    before, anew = with_facts(board, boot_id="first"), with_facts(board, name="anew", boot_id="second")
    with leased(anew, "anew/x", folder=tmp_path), leased(before, "board/x", folder=tmp_path) as lease:
        with pytest.raises(DeviceBusy, match=r"board is used by .* for anew/x"):
            lease.hold_machine("second")
        lease.renew()
    with leased(before, "board/x", folder=tmp_path) as lease:
        lease.hold_machine("second")
        lease.hold_machine("second")
        lease.renew()
        assert str(holder_of(anew, tmp_path)).endswith("for board/x")
    assert (holder_of(anew, tmp_path), holder_of(before, tmp_path)) == (None, None)


def test_a_killed_holder_is_overtaken_at_once(board: Device, tmp_path: Path) -> None:
    process = elsewhere(board, tmp_path)
    with pytest.raises(DeviceBusy, match=f"process {process.pid}"), leased(board, "x", folder=tmp_path):
        pass
    process.kill()
    assert soon(lambda: not alive(process.pid))  # dead, and not waited for: a zombie holds nothing
    with leased(board, "x", folder=tmp_path):
        pass
    end(process)


def test_a_later_process_of_the_same_id_holds_nothing(board: Device, tmp_path: Path) -> None:
    with leased(board, "x", folder=tmp_path):
        (file,) = tmp_path.glob("*.json")
        record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "process_start": record["process_start"] - 1}))
    assert holder_of(board, tmp_path) is None
    file.write_text(json.dumps({**record, "boot_id": "another"}))
    assert holder_of(board, tmp_path) is None
    file.write_text(json.dumps(record))
    assert holder_of(board, tmp_path) is not None


def renewed_s(folder: Path) -> float:
    """When the only lease of the folder was renewed, by the clock of its holder."""
    (file,) = folder.glob("*.json")
    with locked(file) as handle:
        holder = read(handle)
    assert holder is not None
    return holder.renewed_s


def test_a_stopped_holder_is_overtaken_when_its_time_is_up(
    board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time passes once this process waits, and not before."""
    clock, ahead_s, messages = time.monotonic, [0.0], list[str]()
    process = elsewhere(board, tmp_path, ttl_s=8)
    try:
        begun_s = renewed_s(tmp_path)
        assert soon(lambda: renewed_s(tmp_path) > begun_s), "a thread renews it"
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr("latkit.devices.leases.holder.time.monotonic", lambda: clock() + ahead_s[0])

        def on_message(text: str) -> None:
            messages.append(text)
            ahead_s[0] = 9.0

        with leased(board, "x", wait_s=PATIENCE_S, folder=tmp_path, on_message=on_message):
            assert len(messages) == 1
            assert messages[0].startswith("waiting for board, which is used by ")
    finally:
        end(process)


def test_whoever_was_overtaken_learns_it(board: Device, tmp_path: Path) -> None:
    with leased(board, "x", folder=tmp_path) as lease:
        lease.renew()
        (file,) = tmp_path.glob("*.json")
        ours = json.loads(file.read_text())
        file.write_text(json.dumps({**ours, "token": "theirs"}))
        with pytest.raises(DeviceBusy, match="the lease was lost"):
            lease.renew()
    assert json.loads(file.read_text())["token"] == "theirs", "what is theirs is not released"


def test_half_a_record_holds_nothing(board: Device, tmp_path: Path) -> None:
    with leased(board, "x", folder=tmp_path):
        (file,) = tmp_path.glob("*.json")
        content = file.read_bytes()
    file.write_bytes(content[:100])
    with leased(board, "x", folder=tmp_path):
        pass


def other_record(board: Device, folder: Path, **changes: object) -> Path:
    """The lease's file with a record of a live process that is not ours, except for these fields."""
    for earlier in folder.glob("*.json"):
        earlier.unlink()
    with leased(board, "theirs", folder=folder):
        (file,) = folder.glob("*.json")
        record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "token": "theirs", **changes}))
    return file


def test_a_holder_in_another_container_is_not_taken_for_dead(board: Device, tmp_path: Path) -> None:
    gone = 2**22 - 1  # no process here has that id
    other_record(board, tmp_path, pid=gone)
    assert holder_of(board, tmp_path) is None
    for namespace in ("pid:[1]", ""):
        other_record(board, tmp_path, pid=gone, pid_namespace=namespace)
        with pytest.raises(DeviceBusy, match=f"process {gone}"), leased(board, "x", folder=tmp_path):
            pass
    other_record(board, tmp_path, pid=gone, pid_namespace="pid:[1]", renewed_s=time.monotonic() - 61)
    assert holder_of(board, tmp_path) is None, "its time to live is up"


NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def test_a_real_other_namespace_of_processes(board: Device, tmp_path: Path) -> None:
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a namespace of processes cannot be made here")
    command = [*NAMESPACE, sys.executable, "-c", HOLD, board.model_dump_json(), str(tmp_path), "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DeviceBusy, match="for elsewhere"), leased(board, "x", folder=tmp_path):
            pass
    finally:
        end(process)


@pytest.mark.parametrize(
    "changes",
    [
        {"ttl_s": 1e18, "pid": 1, "process_start": 0, "renewed_s": 1.0},
        {"ttl_s": 1e18, "pid_namespace": "pid:[1]", "renewed_s": 1.0},
        {"pid": 10**25},
        {"pid": -1},
        {"pid": 0},
        {"renewed_s": 1e300},
        {"process_start": 10**400},
        {"purpose": "x" * 201},
        {"since": "x" * 2000},
        {"user": "x" * 100_000},
        {"ttl_s": "long"},
    ],
)
def test_what_another_user_may_write_holds_no_device_for_ever(
    board: Device, tmp_path: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = other_record(board, tmp_path, **changes)
    later = time.monotonic() + 400  # beyond the longest time to live
    monkeypatch.setattr("latkit.devices.leases.holder.time.monotonic", lambda: later)
    assert holder_of(board, tmp_path) is None
    with leased(board, "x", folder=tmp_path):
        assert file.stat().st_size == RECORD_BYTES


@pytest.mark.parametrize("text", ['{"ttl_s": NaN}', "[" * 4000, "\0" * 5000, '"' + "9" * 5000])
def test_what_is_no_record_holds_nothing(board: Device, tmp_path: Path, text: str) -> None:
    other_record(board, tmp_path).write_text(text)
    assert holder_of(board, tmp_path) is None
    with leased(board, "x", folder=tmp_path):
        pass


def test_what_another_user_may_write_is_shown_on_one_line(board: Device, tmp_path: Path) -> None:
    other_record(board, tmp_path, purpose="x\n\x1b[2J\u202e")
    with pytest.raises(DeviceBusy) as caught, leased(board, "x", folder=tmp_path):
        pass
    assert "for x \\x1b[2J\\u202e; wait" in str(caught.value)


@pytest.mark.parametrize("kind", ["FIFO", "link", "folder", "socket"])
def test_a_lease_that_is_no_ordinary_file(board: Device, tmp_path: Path, kind: str) -> None:
    file = other_record(board, tmp_path)
    file.unlink()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    with socket.socket(socket.AF_UNIX) as server:
        makers: dict[str, Callable[[], object]] = {
            "FIFO": lambda: os.mkfifo(file),
            "link": lambda: file.symlink_to(victim),
            "folder": file.mkdir,
            "socket": lambda: server.bind(file.name),  # the path itself may be too long for a socket
        }
        with contextlib.chdir(file.parent):
            makers[kind]()
        message = f"expected .*{file.name}.* but found a {kind}; remove it, or name another .* LATKIT_LEASES"
        for act in (lambda: holder_of(board, tmp_path), lambda: leased(board, "x", folder=tmp_path).__enter__()):
            with pytest.raises(DeviceError, match=message):
                act()
    assert victim.read_text() == "mine"


def test_a_link_of_another_user_in_place_of_the_folder(
    board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "mine").mkdir()
    (tmp_path / "leases").symlink_to(tmp_path / "mine")
    with leased(board, "x", folder=tmp_path / "leases"):
        pass
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    os.lchown(tmp_path / "leases", 4321, -1)
    with pytest.raises(DeviceError, match="found another user's link"), leased(board, "x", folder=tmp_path / "leases"):
        pass


def test_a_full_disk_leaves_the_record_as_it_was(board: Device, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 * 1024) as disk, leased(board, "x", folder=disk) as lease:
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(b"x" * 10**6)
        before = holder_of(board, disk)
        lease.renew()
        after = holder_of(board, disk)
        assert before is not None
        assert after is not None
        assert after.renewed_s > before.renewed_s


def test_a_record_that_cannot_be_written_binds_until_its_time_is_up(
    board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leased(board, "x", folder=tmp_path) as lease:
        (file,) = tmp_path.glob("*.json")
        before = file.read_bytes()

        def full(_handle: int, _content: bytes, _offset: int) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("latkit.devices.leases.lease_file.os.pwrite", full)
        lease.renew()
        assert file.read_bytes() == before
        file.write_text(
            before.decode().replace('"ttl_s":60.0', '"ttl_s": 0.0').replace('"ttl_s": 60.0', '"ttl_s": 0.0')
        )
        with pytest.raises(DeviceError, match="could not write a lease: No space left"):
            lease.renew()


def test_the_renewing_thread_survives_an_error(board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renew, calls = Lease.renew, []

    def failing(self: Lease) -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            raise (DeviceError("its disk is full"), OSError(24, "too many open files"))[len(calls) % 2]
        renew(self)

    monkeypatch.setattr(Lease, "renew", failing)
    with leased(board, "x", folder=tmp_path, ttl_s=0.4):
        before_s = renewed_s(tmp_path)
        assert soon(lambda: renewed_s(tmp_path) > before_s), "no renewal came after the errors"


def test_whoever_measures_learns_what_the_thread_survived(board: Device, tmp_path: Path) -> None:
    with leased(board, "x", folder=tmp_path, ttl_s=0.2) as lease:
        other_record_of = next(iter(tmp_path.glob("*.json")))
        record = json.loads(other_record_of.read_text())
        other_record_of.write_text(json.dumps({**record, "token": "theirs", "ttl_s": 60}))
        time.sleep(0.3)  # the thread has met it meanwhile
        with pytest.raises(DeviceBusy, match="the lease was lost"):
            lease.renew()


def test_waiting_ends_with_the_release(board: Device, tmp_path: Path) -> None:
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with leased(board, "first", folder=tmp_path):
            taken.set()
            done.wait(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(PATIENCE_S)
    with ending_soon(), leased(board, "second", wait_s=2 * PATIENCE_S, folder=tmp_path):
        pass
    thread.join()
    with leased(board, "first", folder=tmp_path), pytest.raises(DeviceBusy), leased(board, "y", 0.2, folder=tmp_path):
        pass


def test_only_one_of_many_processes_holds_the_lease(board: Device, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, board.model_dump_json(), str(tmp_path)]
    contenders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for contender in contenders:
        assert contender.stdout
        assert contender.stdout.readline() == b"ready\n"
    for contender in contenders:
        contender.communicate(b"\n", timeout=2 * PATIENCE_S)
    assert [contender.returncode for contender in contenders] == [0, 0, 0]
