"""Every transport satisfies `Transport`; each failure of SSH is one clear line."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.devices.transports import Local, Ssh, Transport, connect
from latkit.errors import BadFile, DeadlineExceeded, DeviceError, DeviceGone, HostKeyError, Unreachable, UsageError
from tests.waiting import DEADLINES_S, PATIENCE_S, ending_soon, soon

BOTH = """
import os
while piece := os.read(0, 65536):
    for output in (1, 2):
        rest = piece
        while rest:
            rest = rest[os.write(output, rest):]
"""
CRY = "import sys; sys.stdout.write('out'); sys.stderr.write('err'); sys.exit(3)"


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that was not waited for yet does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


class TransportConformance:
    """Requirements for any transport. Each kind supplies the fixture `transport`."""

    def test_both_outputs_and_the_exit_status(self, transport: Transport) -> None:
        done = transport.run(["python3", "-c", CRY], 30)
        assert (done.exit_status, done.stdout, done.stderr) == (3, b"out", b"err")

    def test_arguments_are_passed_unchanged(self, transport: Transport) -> None:
        arguments = [
            "a b",
            "$HOME",
            "'",
            '"',
            "*",
            ";",
            "`id`",
            "",
            "\\",
            "é",
            "-n",
            "new\nline",
            "a!b",
            "%s",
            "\\\\n",
            "\n",
        ]
        done = transport.run(["printf", "%s|", *arguments], 30)
        assert done.stdout.decode() == "".join(f"{word}|" for word in arguments)

    def test_stdin(self, transport: Transport) -> None:
        assert transport.run(["cat"], 30, b"some words").stdout == b"some words"
        assert transport.run(["cat"], 30).stdout == b""

    def test_much_in_and_out_at_once(self, transport: Transport) -> None:
        content = os.urandom(5_000_000)
        done = transport.run(["python3", "-c", BOTH], 60, content)
        assert done.stdout == content
        assert done.stderr == content

    def test_a_command_that_does_not_read_its_stdin(self, transport: Transport) -> None:
        assert transport.run(["true"], 30, b"x" * 3_000_000).exit_status == 0

    def test_an_unknown_command(self, transport: Transport) -> None:
        done = transport.run(["latkit-no-such-command"], 30)
        assert done.exit_status == 127
        with pytest.raises(DeviceError, match="trying it failed on the device with exit status 127"):
            done.checked("trying it")

    def test_a_command_ended_by_a_signal(self, transport: Transport) -> None:
        status = transport.run(["sh", "-c", "kill -9 $$"], 30).exit_status
        assert status < 0 or status > 128

    def test_a_deadline_kills_the_command(self, transport: Transport, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        argv = ["sh", "-c", 'echo $$ > "$1"; sleep 600; true', "sh", str(file)]
        for deadline_s in DEADLINES_S:
            with ending_soon(), pytest.raises(DeadlineExceeded, match=r"did not (begin|end) within") as caught:
                transport.run(argv, deadline_s)
            if file.exists() and file.read_text():
                break  # else, on a busy machine, the deadline has passed before it
        assert f"did not end within {deadline_s:g} s" in str(caught.value)
        assert soon(lambda: not alive(int(file.read_text())))

    def test_push_and_pull(self, transport: Transport, tmp_path: Path) -> None:
        source, there, back = tmp_path / "source", tmp_path / "new folder" / "it's $there", tmp_path / "b" / "back"
        source.write_bytes(os.urandom(3_000_001))
        transport.push(source, str(there))
        transport.push(source, str(there))
        transport.pull(str(there), back)
        assert back.read_bytes() == there.read_bytes() == source.read_bytes()
        assert [path.name for path in there.parent.iterdir()] == [there.name]
        assert [path.name for path in back.parent.iterdir()] == [back.name]

    def test_an_empty_file(self, transport: Transport, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        transport.push(tmp_path / "empty", str(tmp_path / "there"))
        assert (tmp_path / "there").read_bytes() == b""

    def test_files_that_cannot_be_copied(self, transport: Transport, tmp_path: Path) -> None:
        with pytest.raises(DeviceError, match="missing"):
            transport.push(tmp_path / "missing", str(tmp_path / "there"))
        with pytest.raises(DeviceError, match="missing"):
            transport.pull(str(tmp_path / "missing"), tmp_path / "back")
        (tmp_path / "file").write_text("x")
        with pytest.raises(DeviceError):
            transport.push(tmp_path / "file", "/proc/latkit/there")
        with pytest.raises(DeviceError):
            transport.push(tmp_path / "file", str(tmp_path / "file" / "there"))
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_a_full_disk(self, transport: Transport, tmp_path: Path) -> None:
        source, small = tmp_path / "source", tmp_path / "small"
        source.write_bytes(bytes(2_000_000))
        small.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "latkit-test", small], capture_output=True
        ).returncode:
            pytest.skip("a small file system cannot be mounted here")
        try:
            with pytest.raises(DeviceError):
                transport.push(source, str(small / "there"))
            assert list(small.iterdir()) == []
        finally:
            subprocess.run(["umount", small], check=True)

    def test_a_command_that_prints_without_end(self, transport: Transport) -> None:
        with pytest.raises(DeviceGone, match="expected at most 1 MiB from head, but it prints more"):
            transport.run(["head", "-c", "50000000", "/dev/zero"], 30, max_bytes=2**20)

    def test_a_line_without_end(self, transport: Transport) -> None:
        stream = transport.start(["head", "-c", "40000000", "/dev/zero"])
        with pytest.raises(DeviceGone, match="expected lines of at most 16 MiB"):
            stream.read_line(60)
        stream.close()

    def test_arguments_that_cannot_be_passed_are_refused(self, transport: Transport) -> None:
        with pytest.raises(DeviceError, match="without a zero character"):
            transport.run(["echo", "a\0b"], 30)

    def test_a_stream_answers_line_by_line(self, transport: Transport) -> None:
        stream = transport.start(["cat"])
        for line in (b"one", b"", b"x" * 300_000, "ä".encode()):
            stream.write_line(line)
            assert stream.read_line(PATIENCE_S) == line
        assert stream.exit_status is None
        stream.close_input()
        with pytest.raises(DeviceGone):
            stream.read_line(PATIENCE_S)
        assert soon(lambda: stream.exit_status == 0)
        stream.close()
        stream.close()

    def test_a_stream_that_is_silent(self, transport: Transport) -> None:
        stream = transport.start(["cat"])
        with pytest.raises(DeadlineExceeded, match=r"no line came within 0\.2 s"):
            stream.read_line(0.2)
        stream.write_line(b"still here")
        assert stream.read_line(PATIENCE_S) == b"still here"
        stream.close()

    def test_a_stream_whose_command_fails(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "echo last; echo words >&2; exit 7"])
        assert stream.read_line(PATIENCE_S) == b"last"
        with pytest.raises(DeviceGone, match="words"):
            stream.read_line(PATIENCE_S)
        assert stream.exit_status == 7
        assert stream.stderr_tail() == "words"
        stream.close()
        with pytest.raises(DeviceGone):
            stream.write_line(b"anybody there?")

    def test_output_is_read_after_a_command_ends(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "echo last; echo words >&2"])
        time.sleep(1)
        assert stream.read_line(PATIENCE_S) == b"last"
        with pytest.raises(DeviceGone, match="words"):
            stream.read_line(PATIENCE_S)
        stream.close()

    def test_a_flood_on_stderr_stops_nothing(self, transport: Transport) -> None:
        flood = "import sys\nfor i in range(10000): print('x' * 800, file=sys.stderr)\nprint('done')"
        stream = transport.start(["python3", "-c", flood])
        assert stream.read_line(60) == b"done"
        assert len(stream.stderr_tail()) < 20_000
        stream.close()

    def test_closing_a_stream_kills_its_command(self, transport: Transport) -> None:
        for script in ("echo $$; exec sleep 600", "trap '' HUP TERM PIPE; echo $$; while true; do sleep 600; done"):
            stream = transport.start(["sh", "-c", script])
            pid = int(stream.read_line(PATIENCE_S))
            assert alive(pid)
            stream.close()
            assert soon(lambda pid=pid: not alive(pid))  # type: ignore[misc]

    def test_closing_a_stream_kills_a_stopped_command(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "echo $$; exec sleep 600"])
        pid = int(stream.read_line(PATIENCE_S))
        transport.run(["kill", "-STOP", str(pid)], PATIENCE_S)
        stream.close()
        assert soon(lambda: not alive(pid))

    def test_closing_the_transport_kills_its_streams(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "echo $$; exec sleep 600"])
        pid = int(stream.read_line(PATIENCE_S))
        transport.close()
        transport.close()
        assert soon(lambda: not alive(pid))
        with pytest.raises(DeviceGone):
            stream.read_line(1)

    def test_home(self, transport: Transport, home: Path) -> None:
        assert transport.home() == str(home)


class TestLocal(TransportConformance):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with connect(Local()) as transport:
            yield transport

    @pytest.fixture
    def home(self) -> Path:
        return Path.home()


class TestSsh(TransportConformance):
    @pytest.fixture
    def transport(self, sshd) -> Iterator[Transport]:
        with connect(Ssh(host="board", config=str(sshd.config))) as transport:
            yield transport

    @pytest.fixture
    def home(self, sshd) -> Path:
        return sshd.home


class TestSshThroughJump:
    def test_a_command_behind_a_jump_host(self, sshd) -> None:
        with connect(Ssh(host="behind", config=str(sshd.config))) as transport:
            assert transport.run(["echo", "there"], 30).stdout == b"there\n"

    def test_a_jump_host_that_does_not_get_through(self, sshd, tmp_path: Path, closed_port: int) -> None:
        text = sshd.config.read_text().rpartition("Host behind")
        (tmp_path / "config").write_text(
            text[0] + text[1] + text[2].replace(f"Port {sshd.port}", f"Port {closed_port}")
        )
        with pytest.raises(Unreachable, match=rf"jump host does not get through to 127\.0\.0\.1 port {closed_port}"):
            connect(Ssh(host="behind", config=str(tmp_path / "config")))

    def test_a_jump_in_a_circle(self, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("Host *\n ProxyJump a,b\n")
        with pytest.raises(UsageError, match="circle"):
            connect(Ssh(host="board", config=str(tmp_path / "config")))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens or will listen meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class TestSshRefusals:
    def test_an_unknown_host_key(self, sshd, tmp_path: Path) -> None:
        known = tmp_path / "known_hosts"
        config = sshd.write_config(tmp_path / "config", known)
        with pytest.raises(HostKeyError) as caught:
            connect(Ssh(host="board", config=str(config)))
        message = str(caught.value)
        assert f"expected it in {known}" in message
        assert f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> {known}" in message
        assert "\n" not in message
        assert not known.exists()

    def test_the_command_of_the_message_makes_it_known(self, sshd, tmp_path: Path) -> None:
        known = tmp_path / "known_hosts"
        config = sshd.write_config(tmp_path / "config", known)
        with pytest.raises(HostKeyError) as caught:
            connect(Ssh(host="board", config=str(config)))
        subprocess.run(["sh", "-c", str(caught.value).rpartition("add it with: ")[2]], check=True, capture_output=True)
        connect(Ssh(host="board", config=str(config))).close()

    def test_a_changed_host_key(self, sshd, tmp_path: Path) -> None:
        known = tmp_path / "known_hosts"
        other = sshd.key.with_suffix(".pub").read_text()
        known.write_text(f"# first\n\n[127.0.0.1]:{sshd.port} {other}")
        config = sshd.write_config(tmp_path / "config", known)
        with pytest.raises(
            HostKeyError, match=rf"has changed: expected the one in {known}, line 3, but found"
        ) as caught:
            connect(Ssh(host="board", config=str(config)))
        assert f"ssh-keygen -f {known} -R '[127.0.0.1]:{sshd.port}'" in str(caught.value)

    def test_hashed_names_patterns_and_several_keys(self, sshd, tmp_path: Path) -> None:
        known, other = tmp_path / "known_hosts", sshd.key.with_suffix(".pub").read_text()
        public = sshd.host_key.with_suffix(".pub").read_text()
        known.write_text(f"broken line\n[127.0.0.1]:{sshd.port} {other}[127.0.0.*]:* {public}")
        config = sshd.write_config(tmp_path / "config", known)
        connect(Ssh(host="board", config=str(config))).close()
        known.write_text(sshd.known_hosts.read_text())
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
        assert "|1|" in known.read_text()
        connect(Ssh(host="board", config=str(config))).close()

    def test_a_revoked_host_key(self, sshd, tmp_path: Path) -> None:
        known, public = tmp_path / "known_hosts", sshd.host_key.with_suffix(".pub").read_text()
        known.write_text(f"[127.0.0.1]:{sshd.port} {public}@revoked * {public}")
        with pytest.raises(HostKeyError, match=r"revoked by .* line 2"):
            connect(Ssh(host="board", config=str(sshd.write_config(tmp_path / "config", known))))

    def test_a_key_that_is_not_let_in(self, sshd, tmp_path: Path) -> None:
        config = sshd.write_config(tmp_path / "config", sshd.known_hosts, key=sshd.host_key)
        with pytest.raises(Unreachable, match=r"does not let root in \(.*host_key refused\); add your key there"):
            connect(Ssh(host="board", config=str(config)))

    def test_a_key_with_a_passphrase_and_one_that_is_none(self, sshd, tmp_path: Path) -> None:
        locked = tmp_path / "locked"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
        config = sshd.write_config(tmp_path / "config", sshd.known_hosts, key=locked)
        with pytest.raises(Unreachable, match=r"locked has a passphrase: ssh-add it"):
            connect(Ssh(host="board", config=str(config)))
        locked.write_text("no key")
        with pytest.raises(Unreachable, match=r"locked cannot be read"):
            connect(Ssh(host="board", config=str(config)))
        locked.unlink()
        with pytest.raises(Unreachable, match=r"there is no key to show"):
            connect(Ssh(host="board", config=str(config)))

    def test_nobody_listens(self, sshd, tmp_path: Path, closed_port: int) -> None:
        config = sshd.write_config(tmp_path / "config", sshd.known_hosts, port=closed_port)
        with pytest.raises(Unreachable, match=rf"cannot connect to 127\.0\.0\.1 port {closed_port}: .*refused"):
            connect(Ssh(host="board", config=str(config)))

    def test_a_name_without_an_address(self, tmp_path: Path) -> None:
        (tmp_path / "config").touch()
        with pytest.raises(Unreachable, match=r"cannot connect to latkit-no-such-host\.invalid port 22"):
            connect(Ssh(host="latkit-no-such-host.invalid", config=str(tmp_path / "config")), 5)

    @pytest.mark.parametrize("banner", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
    def test_somebody_else_answers(self, banner: bytes, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            accept = f"import socket; c, _ = socket.socket(fileno={server.fileno()}).accept()"
            code = f"{accept}; c.sendall({banner!r}); [0 for _ in iter(lambda: c.recv(99), b'')]"
            other = subprocess.Popen(["python3", "-c", code], pass_fds=[server.fileno()])
            try:
                (tmp_path / "config").write_text("")
                with ending_soon(), pytest.raises(Unreachable, match="expected an SSH server"):
                    connect(Ssh(host="127.0.0.1", port=port, config=str(tmp_path / "config")), 1)
            finally:
                other.kill()
                other.wait()

    def test_the_connection_is_lost(self, sshd) -> None:
        with connect(Ssh(host="board", config=str(sshd.config))) as transport:
            stream = transport.start(["cat"])
            server = int(transport.run(["sh", "-c", "echo $PPID"], PATIENCE_S).stdout)
            os.kill(server, 9)
            with pytest.raises(DeviceGone):
                stream.read_line(PATIENCE_S)
            with pytest.raises(DeviceGone):
                transport.run(["true"], PATIENCE_S)


class TestSshConfiguration:
    def test_what_the_device_file_says_wins(self, sshd, tmp_path: Path, closed_port: int) -> None:
        config = sshd.write_config(tmp_path / "config", sshd.known_hosts, port=closed_port)
        connect(Ssh(host="board", port=sshd.port, config=str(config))).close()

    def test_included_files(self, sshd, tmp_path: Path) -> None:
        (tmp_path / "config.d").mkdir()
        (tmp_path / "config.d" / "one").write_text(sshd.config.read_text())
        (tmp_path / "config").write_text("Include config.d/*\nInclude missing/*\n")
        connect(Ssh(host="board", config=str(tmp_path / "config"))).close()

    def test_configurations_that_cannot_be_used(self, tmp_path: Path) -> None:
        path = tmp_path / "config"
        address = Ssh(host="board", config=str(path))
        with pytest.raises(BadFile, match="no such file"):
            connect(address)
        path.write_text("nonsense\n")
        with pytest.raises(BadFile, match="expected an SSH configuration for board"):
            connect(address)
        path.write_text(f"Include {path}\n")
        with pytest.raises(BadFile, match="includes itself"):
            connect(address)
        path.write_text("Port many\n")
        with pytest.raises(
            UsageError, match="expected port of the SSH configuration as a number up to 65535, but found 'many'"
        ):
            connect(address)
        path.write_text("ProxyCommand nc %h %p\n")
        with pytest.raises(UsageError, match="ProxyCommand"):
            connect(address)

    @pytest.mark.parametrize(
        ("text", "user", "host", "port"),
        [
            ("board", None, "board", None),
            ("pi@board:2222", "pi", "board", 2222),
            ("pi@[fe80::1]:22", "pi", "fe80::1", 22),
            ("10.0.0.7", None, "10.0.0.7", None),
        ],
    )
    def test_addresses(self, text: str, user: str | None, host: str, port: int | None) -> None:
        address = Ssh.parse(text)
        assert (address.user, address.host, address.port) == (user, host, port)
        assert str(address) == text

    @pytest.mark.parametrize(
        "text", ["", "@board", "board:", "board:0", "board:99999", "-oProxyCommand=x", "a b", "::1"]
    )
    def test_addresses_that_are_none(self, text: str) -> None:
        with pytest.raises(UsageError, match="expected an SSH address"):
            Ssh.parse(text)
