"""One holder per device, whatever becomes of the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from latkit.devices import Device, Local, Ssh, holder_of, host_boot_id, is_this_host, lease_key, leased
from latkit.errors import DeviceBusy

HOLD = """
import sys, time
from pathlib import Path
from latkit.devices import Device, leased
device = Device.model_validate_json(sys.argv[1])
with leased(device, "elsewhere", folder=Path(sys.argv[2]), ttl_s=float(sys.argv[3])):
    print("held", flush=True)
    time.sleep(60)
"""

RACE = """
import sys, time
from pathlib import Path
from latkit.devices import Device, leased
device, folder = Device.model_validate_json(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    with leased(device, "race", wait_s=60, folder=folder):
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


def test_a_second_taker_learns_who_holds_it(board: Device, tmp_path: Path) -> None:
    with leased(board, "board/tflite-t1", folder=tmp_path):
        held = holder_of(board, tmp_path)
        assert held is not None
        assert (held.pid, held.purpose) == (os.getpid(), "board/tflite-t1")
        words = rf"board is used by \S+ \(process {os.getpid()} on \S+\) since \S+ for board/tflite-t1; .*--wait"
        with pytest.raises(DeviceBusy, match=words), leased(board, "other", folder=tmp_path):
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


def test_without_a_boot_id_the_hardware_and_the_way_make_the_device(board: Device) -> None:
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
    words = "board is used by .* for here/x"
    with leased(here, "here/x", folder=tmp_path), pytest.raises(DeviceBusy, match=words):
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
    time.sleep(0.1)  # dead, and not waited for: a zombie holds nothing
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


def test_a_stopped_holder_is_overtaken_when_its_time_is_up(board: Device, tmp_path: Path) -> None:
    process = elsewhere(board, tmp_path, ttl_s=2)
    try:
        time.sleep(2.3)
        assert holder_of(board, tmp_path) is not None, "a thread renews it"
        process.send_signal(signal.SIGSTOP)
        said: list[str] = []
        with leased(board, "x", wait_s=20, folder=tmp_path, tell=said.append):
            assert len(said) == 1
            assert said[0].startswith("waiting for board, which is used by ")
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
        whole = file.read_bytes()
    file.write_bytes(whole[:100] or b'{"token": "ab')
    with leased(board, "x", folder=tmp_path):
        pass


def test_waiting_ends_with_the_release(board: Device, tmp_path: Path) -> None:
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with leased(board, "first", folder=tmp_path):
            taken.set()
            done.wait(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(5)
    begun = time.monotonic()
    with leased(board, "second", wait_s=20, folder=tmp_path):
        assert time.monotonic() - begun < 5
    thread.join()
    with leased(board, "first", folder=tmp_path), pytest.raises(DeviceBusy), leased(board, "y", 0.2, folder=tmp_path):
        pass


def test_of_many_takers_one_is_inside(board: Device, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, board.model_dump_json(), str(tmp_path)]
    takers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for taker in takers:
        assert taker.stdout
        assert taker.stdout.readline() == b"ready\n"
    for taker in takers:
        taker.communicate(b"\n", timeout=60)
    assert [taker.returncode for taker in takers] == [0, 0, 0]
