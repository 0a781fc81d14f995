"""adb's own client checks the scripted phone; then latkit runs against it: keys, old protocols, a pulled cable."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from latkit.devices.transports import Adb, Stream, Transport, connect
from latkit.devices.transports.adb.direct import DirectAdbd
from latkit.devices.transports.adb.transport import AdbTransport
from latkit.devices.transports.base import sha256_of
from latkit.errors import BadFile, DeadlineExceeded, DeviceError, DeviceGone, Unreachable, UsageError
from latkit.testing.host import free_port
from latkit.testing.phone.scripted import Script, scripted_adbd
from latkit.testing.phone.server import adb
from latkit.testing.phone.services import services
from tests.waiting import PATIENCE_S, check_deadline, ending_soon

STAGES = ("connect", "hello", "open", "input", "output", "end")


@pytest.fixture
def plug(configuration: Path) -> Iterator[Callable[[Script], Adb]]:
    """Plugs in a phone that behaves as scripted."""
    with ExitStack() as stack:
        yield lambda script: Adb.parse(stack.enter_context(scripted_adbd(script, services)))


Plug = Callable[[Script], Adb]


@pytest.fixture
def our_key(configuration: Path, plug: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The public key that latkit shows: a user who has adb's key has no other, so the home is an empty one."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    connect(plug(Script())).close()
    return (configuration / "latkit" / "adbkey.pub").read_bytes()


def again_and_again(transport: Transport) -> None:
    """Run commands until one fails: most end before the phone reaches its last stage, above all on a busy machine."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while time.monotonic() < deadline:
        assert transport.run(["sh", "-c", "cat; echo out"], PATIENCE_S, b"in").stdout == b"inout\n"


def at_rest(folder: Path) -> Path:
    """The one file of a folder, once it no longer grows: the phone still writes what it received before the unplug."""
    sizes: list[int] = []
    while len(sizes) < 100:
        time.sleep(0.2)
        sizes.append(sum(file.stat().st_size for file in folder.iterdir()))
        if len(sizes) > 1 and sizes[-1] == sizes[-2] > 0:
            (file,) = folder.iterdir()
            return file
    raise AssertionError(f"nothing arrived in {folder}, or it never stopped growing: {sizes}")


def speak(stream: Stream) -> bytes:
    stream.write_line(b"hello")
    return stream.read_line(PATIENCE_S)


class TestScriptedPhone:
    """adb's own client, against the fake."""

    @pytest.fixture(params=[True, False], ids=["shell_v2", "old"])
    def serial(self, request: pytest.FixtureRequest, adb_server_here: None, plug: Plug) -> Iterator[str]:
        serial = str(plug(Script(shell_v2=request.param)))
        assert b"connected to" in adb("connect", serial).stdout
        yield serial
        adb("disconnect", serial)

    def test_commands(self, serial: str) -> None:
        done = adb("-s", serial, "shell", "echo out; echo err >&2; read word; echo $word; exit 3", stdin=b"in\n")
        assert sorted(done.stdout.split() + done.stderr.split()) == [b"err", b"in", b"out"]
        features = adb("-s", serial, "features").stdout.split()
        assert done.returncode == (3 if b"shell_v2" in features else 0)

    def test_files(self, serial: str, tmp_path: Path) -> None:
        source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
        source.write_bytes(os.urandom(300_001))
        assert adb("-s", serial, "push", str(source), str(there)).returncode == 0
        assert adb("-s", serial, "pull", str(there), str(back)).returncode == 0
        assert back.read_bytes() == there.read_bytes() == source.read_bytes()

    def test_a_key_that_is_allowed(self, adb_server_here: None, plug: Plug) -> None:
        script = Script(wants_key=True, says_allow=True)
        serial = str(plug(script))
        adb("connect", serial)
        assert adb("-s", serial, "shell", "echo hello").stdout.strip() == b"hello"
        assert len(script.trusted) == 1
        adb("disconnect", serial)

    def test_a_key_that_is_not(self, adb_server_here: None, plug: Plug) -> None:
        script = Script(wants_key=True)
        serial = str(plug(script))
        adb("connect", serial)
        states = dict(line.split(b"\t") for line in adb("devices").stdout.splitlines() if b"\t" in line)
        assert states[serial.encode()] == b"unauthorized"
        with pytest.raises(Unreachable, match="tap Always allow from this computer and Allow"):
            connect(Adb(serial=serial))
        adb("disconnect", serial)


class TestKeys:
    def test_a_key_is_made_once_and_is_private(self, configuration: Path, plug: Plug, our_key: bytes) -> None:
        path = configuration / "latkit" / "adbkey"
        assert path.stat().st_mode & 0o777 == 0o600
        connect(plug(Script())).close()
        assert path.with_name("adbkey.pub").read_bytes() == our_key

    def test_a_phone_that_trusts_us(self, plug: Plug, our_key: bytes) -> None:
        with connect(plug(Script(wants_key=True, trusted=[our_key]))) as transport:
            assert transport.run(["echo", "hello"], PATIENCE_S).stdout == b"hello\n"

    def test_a_phone_whose_user_taps_allow(self, plug: Plug, our_key: bytes) -> None:
        script = Script(wants_key=True, says_allow=True)
        connect(plug(script)).close()
        assert script.trusted == [our_key]

    def test_a_phone_that_does_not_trust_us(self, plug: Plug, our_key: bytes) -> None:
        script = Script(wants_key=True)
        address, message = plug(script), "unlock it, tap Always allow from this computer and Allow"
        check_deadline(Unreachable, message, lambda deadline_s: connect(address, deadline_s))
        assert set(script.refused) == {our_key}

    def test_the_key_of_adb_is_shown_first(
        self, plug: Plug, our_key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configuration: Path
    ) -> None:
        (tmp_path / ".android").mkdir()
        theirs = tmp_path / ".android" / "adbkey"
        theirs.write_bytes((configuration / "latkit" / "adbkey").read_bytes())
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        theirs.chmod(0o666)
        with pytest.raises(BadFile, match=r"only its owner may read, but found mode 0666; close it with: chmod 600 "):
            connect(plug(Script()))
        theirs.chmod(0o600)
        with connect(plug(Script(wants_key=True, trusted=[our_key]))) as transport:
            assert transport.run(["true"], PATIENCE_S).exit_status == 0
        assert not (tmp_path / "config").exists()
        theirs.write_text("no key")
        with pytest.raises(BadFile, match="expected a private RSA key"):
            connect(plug(Script()))


class TestOldPhones:
    def test_no_shell_protocol(self, plug: Plug, tmp_path: Path) -> None:
        address = plug(Script(shell_v2=False))
        assert address.host
        assert address.port
        with AdbTransport(DirectAdbd(address.host, address.port, PATIENCE_S), str(address), str(tmp_path)) as transport:
            done = transport.run(["sh", "-c", "cat; echo err >&2; exit 3"], PATIENCE_S, b"in")
            assert (done.exit_status, done.stdout, done.stderr) == (3, b"in", b"err\n")
            assert transport.run(["cat"], PATIENCE_S).stdout == b""
        assert list(tmp_path.iterdir()) == []

    def test_a_scratch_folder_that_is_not_there(self, plug: Plug, tmp_path: Path) -> None:
        address = plug(Script(shell_v2=False))
        assert address.host
        assert address.port
        direct = DirectAdbd(address.host, address.port, PATIENCE_S)
        with (
            AdbTransport(direct, str(address), str(tmp_path / "none")) as transport,
            pytest.raises(DeviceError, match="No such file"),
        ):
            transport.run(["cat"], PATIENCE_S, b"in")


class TestCablePulled:
    @pytest.mark.parametrize("stage", STAGES)
    def test_commands(self, plug: Plug, stage: str) -> None:
        """What has arrived completely counts; the next command finds the phone gone."""
        with pytest.raises((DeviceGone, Unreachable)), connect(plug(Script(pulled_at=stage)), PATIENCE_S) as transport:
            again_and_again(transport)

    @pytest.mark.parametrize("stage", ["hello", "output"])
    def test_silence(self, plug: Plug, stage: str) -> None:
        with (
            ending_soon(),
            pytest.raises((DeviceGone, Unreachable, DeadlineExceeded)),
            connect(plug(Script(pulled_at=stage, silent=True)), 0.5) as transport,
        ):
            transport.run(["sh", "-c", "cat; echo out"], 0.5, b"in")

    def test_a_stream(self, plug: Plug) -> None:
        with connect(plug(Script(pulled_at="input"))) as transport:
            stream = transport.start(["cat"])
            with pytest.raises(DeviceGone):
                speak(stream)

    def test_a_push_goes_on_where_it_stopped(self, plug: Plug, tmp_path: Path) -> None:
        source, there = tmp_path / "source", tmp_path / "folder" / "there"
        source.write_bytes(os.urandom(500_000))
        with pytest.raises(DeviceGone), connect(plug(Script(pulled_at="input", pulled_after=200))) as transport:
            transport.push(source, str(there))
        part = at_rest(there.parent)
        arrived = part.read_bytes()
        assert source.read_bytes().startswith(arrived)
        assert len(arrived) > 100_000
        script = Script()
        with connect(plug(script)) as transport:
            transport.push(source, str(there))
        assert there.read_bytes() == source.read_bytes()
        assert list(there.parent.iterdir()) == [there]
        assert script.passed["input"] < 150

    def test_a_push_does_not_go_on_from_what_is_no_beginning_of_the_file(self, plug: Plug, tmp_path: Path) -> None:
        source, there = tmp_path / "source", tmp_path / "folder" / "there"
        source.write_bytes(b"what is to arrive")
        there.parent.mkdir()
        part = there.with_name(f"there.{sha256_of(source)[:16]}.part")
        for spoilt in (b"what was", b"longer than what is to arrive"):
            part.write_bytes(spoilt)
            with connect(plug(Script())) as transport:
                transport.push(source, str(there))
            assert there.read_bytes() == source.read_bytes()
            assert list(there.parent.iterdir()) == [there]


class TestRefusals:
    def test_nobody_listens(self) -> None:
        with pytest.raises(Unreachable, match=r"cannot connect: .*refused.*; is the phone on"):
            connect(Adb(host="127.0.0.1", port=free_port()), PATIENCE_S)

    def test_another_service(self, sshd) -> None:
        with pytest.raises(Unreachable, match="expected a phone's adbd, but found another service"):
            connect(Adb(host="127.0.0.1", port=sshd.port), PATIENCE_S)

    def test_a_phone_that_wants_tls(self, adb_server_here: None, plug: Plug) -> None:
        with pytest.raises(Unreachable, match="pair with adb pair HOST:PORT"):
            connect(plug(Script(wants_tls=True)), PATIENCE_S)

    def test_no_such_serial(self, served_here: str) -> None:
        with pytest.raises(
            Unreachable, match=f"expected a phone of serial 'R58M', but the adb server has: .*{served_here}"
        ):
            connect(Adb(serial="R58M"))

    @pytest.mark.parametrize(
        "text", ["", "-s", " a", "host:0", "host:99999", "me@host:5555", "a\nb", "a\x1b[2J", "x" * 300]
    )
    def test_names_that_are_none(self, text: str) -> None:
        with pytest.raises(UsageError, match="expected a phone's SERIAL"):
            Adb.parse(text)

    @pytest.mark.parametrize(
        "text",
        [
            "R58M",
            "emulator-5554",
            "10.0.0.7:5555",
            "[fe80::1]:5555",
            "[fe80::1%eth0]:5555",
            "adb-R5-x._adb-tls-connect._tcp",
            "adb-R5 (2)._adb-tls-connect._tcp",
            "My Phone 3",
            "????????????",
            "(no serial number)",
            "usb:1-1.4",
            "transport_id:7",
        ],
    )
    def test_names(self, text: str) -> None:
        assert str(Adb.parse(text)) == text
