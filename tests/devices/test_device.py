"""Device files: written files are read back, errors are named; registering writes only probed facts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit.devices import (
    Adb,
    Address,
    Check,
    Core,
    Device,
    Facts,
    Local,
    Ssh,
    add_device,
    examine,
    install,
    list_devices,
    load_device,
    remove_device,
    trust,
)
from latkit.devices.provisioning.wheels import Interpreter
from latkit.devices.transports import Transport, connect
from latkit.errors import BadFile, DeviceError, HostKeyError, LatkitError, Unreachable, UsageError

WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
BYTES = st.integers(0, 2**63 - 1)
COUNT = st.integers(0, 2**32)
INDEX = st.integers(0, 2**16 - 1)


class TestFile:
    @given(
        facts=st.builds(
            Facts,
            model=WORD,
            architecture=WORD,
            instruction_set=st.lists(WORD),
            cores=st.lists(
                st.builds(Core, index=INDEX, min_khz=st.none() | COUNT, max_khz=COUNT, capacity=COUNT), min_size=1
            ),
            memory_bytes=BYTES,
            os=WORD,
            kernel=WORD,
            governor=st.none() | WORD,
        ),
        address=st.builds(Local)
        | st.builds(Ssh, host=WORD, user=st.none() | WORD, port=st.none() | st.integers(1, 65535))
        | st.builds(Adb, serial=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9.:-]*\Z"))
        | st.builds(Adb, host=WORD, port=st.integers(1, 65535)),
        runtimes=st.dictionaries(WORD, WORD),
    )
    def test_round_trip(
        self, tmp_path_factory: pytest.TempPathFactory, facts: Facts, address: Address, runtimes: dict[str, str]
    ) -> None:
        folder = tmp_path_factory.mktemp("devices")
        device = Device(
            name="pi4",
            added_at="2026-01-01",
            python="python3",
            folder="/a b",
            runtimes=runtimes,
            transport=address,
            facts=facts,
        )
        device.write(folder)
        assert load_device(folder, "pi4") == device
        assert [path.name for path in folder.iterdir()] == ["pi4.toml"]

    def test_a_file_is_not_replaced_unawares(self, tmp_path: Path, board: Device) -> None:
        board.write(tmp_path)
        with pytest.raises(FileExistsError):
            board.write(tmp_path)
        other = board.model_copy(update={"python": "another"})
        other.write(tmp_path, replace=True)
        assert load_device(tmp_path, "board") == other

    @pytest.mark.parametrize(
        ("old", "new", "named"),
        [
            ('python = "/usr/bin/python3"', "python = 3", "python"),
            ('python = "/usr/bin/python3"', "", "python"),
            ("format = 1", "format = 2", "format"),
            ("format = 1", "format = 1\nspeed = 3", "speed"),
            ('kind = "ssh"', 'kind = "pigeon"', "transport"),
            ("port = 2222", 'port = "2222"', r"transport\.port"),
            ("port = 2222", "port = 0", r"transport\.port"),
            ("memory_bytes = 4294967296", "memory_bytes = 4.5", r"facts\.memory_bytes"),
            ("capacity = 1024", "capacitance = 1024", r"facts\.cores\.0\.capacitance"),
            ('name = "board"', 'name = "other"', "name"),
            ("folder = ", "folder = [", "TOML"),
            ('folder = "/home/pi/.cache/latkit"', 'folder = "/"', "folder"),
            ('folder = "/home/pi/.cache/latkit"', 'folder = "relative"', "folder"),
            ('folder = "/home/pi/.cache/latkit"', 'folder = "/home/pi/.cache/.."', "folder"),
            ('folder = "/home/pi/.cache/latkit"', 'folder = "/home/pi/\\u0000"', "folder"),
            ('folder = "/home/pi/.cache/latkit"', f'folder = "/{"x" * 600}"', "folder"),
            ('python = "/usr/bin/python3"', 'python = "/usr/bin/python3\\u0000"', "python"),
            ('model = "A board"', f'model = "{"x" * 2000}"', r"facts\.model"),
            ("memory_bytes = 4294967296", "memory_bytes = 9223372036854775808", r"facts\.memory_bytes"),
            ("memory_bytes = 4294967296", f"memory_bytes = 1{'0' * 5000}", "TOML"),
            ("memory_bytes = 4294967296", f"memory_bytes = {'[' * 5000}", "TOML"),
            ("max_khz = 1800000", "max_khz = -2", r"facts\.cores\.0\.max_khz"),
            ('added_at = "2026-01-01T00:00:00+00:00"', 'added_at = "yesterday"', "added_at"),
        ],
    )
    def test_a_wrong_field_is_named(self, tmp_path: Path, board: Device, old: str, new: str, named: str) -> None:
        path = board.write(tmp_path)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(BadFile, match=rf"board\.toml: expected .*{named}") as caught:
            load_device(tmp_path, "board")
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2

    def test_not_even_text(self, tmp_path: Path) -> None:
        (tmp_path / "board.toml").write_bytes(b"\xff\xfe\0")
        with pytest.raises(BadFile):
            load_device(tmp_path, "board")

    def test_no_ordinary_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "board.toml")
        with pytest.raises(UsageError, match="unknown device 'board'"):
            load_device(tmp_path, "board")
        with pytest.raises(BadFile, match="but found a FIFO"):
            list_devices(tmp_path)

    def test_the_key_knows_the_hardware_only(self, board: Device) -> None:
        def changed(**fields: object) -> str:
            return board.model_copy(update={"facts": board.facts.model_copy(update=fields)}).key

        assert changed(kernel="6.2", governor="performance", boot_id="x", hostname="y", os="z") == board.key
        assert board.model_copy(update={"name": "other"}).key == board.key
        assert changed(memory_bytes=8 * 2**30) != board.key
        assert changed(cores=board.facts.cores[:1]) != board.key
        assert changed(model="Another") != board.key


class TestFolder:
    def test_an_unknown_device(self, tmp_path: Path, board: Device) -> None:
        with pytest.raises(UsageError, match=r"unknown device 'pi'; known devices: none; add one"):
            load_device(tmp_path / "missing", "pi")
        board.write(tmp_path)
        board.model_copy(update={"name": "abc"}).write(tmp_path)
        with pytest.raises(UsageError, match="unknown device 'pi'; known devices: abc, board"):
            load_device(tmp_path, "pi")
        assert [device.name for device in list_devices(tmp_path)] == ["abc", "board"]

    @pytest.mark.parametrize("name", ["../board", "", "a/b", "a..b", "-x", ".hidden"])
    def test_names_that_leave_the_folder(self, tmp_path: Path, name: str) -> None:
        for act in (load_device, remove_device, lambda folder, name: add_device(folder, name, Local())):
            with pytest.raises(UsageError, match="expected a device's name"):
                act(tmp_path, name)  # type: ignore[operator]

    @pytest.mark.slow
    def test_add_and_remove_this_machine(self, tmp_path: Path) -> None:
        folder, place = tmp_path / "devices", tmp_path / "agent"
        device = add_device(folder, "me", Local(), agent_folder=str(place))
        assert load_device(folder, "me") == device
        assert device.python == sys.executable
        assert device.runtimes["onnxruntime"].startswith("onnxruntime ")
        assert device.facts.memory_bytes > 2**28
        assert list(place.glob("agent-*.pyz"))
        with pytest.raises(UsageError, match="a device named 'me' is registered already"):
            add_device(folder, "me", Local())
        (place / "of others").touch()
        assert remove_device(folder, "me") is None
        assert [path.name for path in place.iterdir()] == ["of others"]
        assert list(folder.iterdir()) == []

    def test_add_over_ssh(self, sshd, tmp_path: Path, python_without_torch: str) -> None:
        address = Ssh(host="board", config=str(sshd.config))
        device = add_device(tmp_path, "board", address, python=python_without_torch)
        assert device.folder == f"{sshd.home}/.cache/latkit"
        assert load_device(tmp_path, "board").transport == address
        assert remove_device(tmp_path, "board", keep_files=True) is None
        assert list(Path(device.folder).glob("agent-*.pyz"))
        device.write(tmp_path)
        assert remove_device(tmp_path, "board") is None
        assert not Path(device.folder).exists()

    def test_nothing_is_written_when_the_probe_fails(self, sshd, tmp_path: Path) -> None:
        config = sshd.write_config(tmp_path / "config", tmp_path / "known_hosts")
        folder = tmp_path / "devices"
        for address, python, expected in (
            (Ssh(host="board", config=str(config)), None, HostKeyError),
            (Ssh(host="127.0.0.1", port=1, config=str(config)), None, Unreachable),
            (Local(), "/no/python", DeviceError),
            (Local(), "/bin/true", DeviceError),
        ):
            with pytest.raises(expected) as caught:
                add_device(folder, "new", address, python=python, agent_folder=str(tmp_path / "agent"))
            assert isinstance(caught.value, LatkitError)
            assert "\n" not in str(caught.value)
        assert not folder.exists()
        assert not (tmp_path / "agent").exists()

    def test_a_device_that_is_off_can_be_removed(self, tmp_path: Path, board: Device) -> None:
        (tmp_path / "config").touch()
        address = Ssh(host="127.0.0.1", port=1, config=str(tmp_path / "config"))
        device = board.model_copy(update={"transport": address})
        trust(device)
        device.write(tmp_path / "devices")
        assert isinstance(remove_device(tmp_path / "devices", "board"), Unreachable)
        assert list_devices(tmp_path / "devices") == []


class TestDoctor:
    @pytest.mark.slow
    def test_a_device_that_has_changed(self, board: Device, tmp_path: Path, python_without_torch: str) -> None:
        fields: dict[str, object] = {
            "transport": Local(),
            "python": python_without_torch,
            "folder": str(tmp_path / "agent"),
        }
        fields["runtimes"] = {"onnxruntime": "onnxruntime 0.1"}
        checks = {check.name: check for check in examine(board.model_copy(update=fields))}
        assert checks["facts"].ok is False
        assert "model was A board, is" in checks["facts"].found
        assert checks["runtimes"].ok is False
        assert "was onnxruntime 0.1, is onnxruntime" in checks["runtimes"].found

    def test_a_device_that_is_off(self, tmp_path: Path, board: Device) -> None:
        (tmp_path / "config").touch()
        address = Ssh(host="127.0.0.1", port=1, config=str(tmp_path / "config"))
        (check,) = examine(board.model_copy(update={"transport": address}))
        assert (check.name, check.ok) == ("reachable", False)
        assert check.remedy

    def test_a_device_whose_python_has_gone(self, here: Device) -> None:
        checks = examine(here.model_copy(update={"python": "/latkit/no/python"}))
        assert [(check.name, check.ok) for check in checks] == [("reachable", True), ("python", False)]
        assert checks[-1].remedy == "latkit device doctor board --install"

    def test_an_agent_that_cannot_be_put_there(self, here: Device, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        checks = examine(here.model_copy(update={"folder": str(tmp_path / "file")}))
        assert (checks[-1].name, checks[-1].ok) == ("agent", False)
        assert checks[-1].remedy


class TestInstall:
    def test_wheels_tags(self) -> None:
        board = Interpreter("python3", (3, 11), "aarch64", (2, 19))
        assert board.platforms() == [
            "manylinux_2_19_aarch64",
            "manylinux_2_18_aarch64",
            "manylinux_2_17_aarch64",
            "manylinux2014_aarch64",
            "linux_aarch64",
        ]
        assert "manylinux2010_x86_64" in Interpreter("python3", (3, 8), "x86_64", (2, 31)).platforms()

    def test_this_interpreter(self) -> None:
        with connect(Local()) as transport:
            found = Interpreter.query(transport, sys.executable)
            assert found.version == sys.version_info[:2]
            assert found.path == sys._base_executable  # type: ignore[attr-defined]

    @pytest.mark.parametrize("runtimes", [[], ["abacus"]])
    def test_runtimes_that_do_not_exist(self, tmp_path: Path, here: Device, runtimes: list[str]) -> None:
        here.write(tmp_path)
        trust(here)
        with pytest.raises(UsageError, match="known runtimes: onnxruntime, tflite"):
            install(tmp_path, "board", runtimes)
        assert load_device(tmp_path, "board") == here

    def test_onnxruntime_over_ssh_without_internet(self, sshd, tmp_path: Path, board: Device) -> None:
        address = Ssh(host="board", config=str(sshd.config))
        with connect(address) as transport:
            no_internet(transport)
            base = Interpreter.query(transport, sys.executable).path
        place = tmp_path / "agent"
        board.model_copy(update={"transport": address, "python": base, "folder": str(place)}).write(tmp_path)
        device = install(tmp_path, "board", ["onnxruntime"])
        assert load_device(tmp_path, "board") == device
        assert device.python == f"{place}/venv/bin/python"
        assert set(device.runtimes) == {"onnxruntime"}
        assert device.added_at == board.added_at
        assert not (place / "wheels").exists()
        well_with_all_that_does_not_vary(examine(device))
        assert remove_device(tmp_path, "board") is None
        assert not place.exists()


def well_with_all_that_does_not_vary(checks: list[Check]) -> None:
    by_name = {check.name: check for check in checks}
    assert list(by_name) == [
        *("reachable", "python", "agent", "clock", "date", "governor", "load", "disk", "memory"),
        *("runtimes", "facts"),
    ]
    assert all(by_name[name].ok for name in ("reachable", "python", "agent", "clock", "date", "runtimes", "facts"))
    assert all(check.ok or check.remedy for check in checks)


def no_internet(transport: Transport) -> None:
    """Make sure that pip, run there, has no access: the server of these tests sets proxies that do not answer."""
    output = transport.run(["printenv", "https_proxy"], 10).stdout
    assert output == b"http://127.0.0.1:9\n"
