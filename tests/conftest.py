"""Fixtures that several folders of tests share: a real sshd on loopback, with throwaway keys."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from latkit.cli import main
from latkit.devices.transports.base import sha256_of
from latkit.devices.trust import Named
from tests.devices.phone.fixtures import (  # noqa: F401
    adb_server_here,
    adbd_here,
    cached_bundles,
    configuration,
    phone,
    phone_of_packages,
    served_here,
)

SSHD = Path("/usr/sbin/sshd")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # or the threads of two pytest workers fight over two cores
hypothesis.settings.register_profile("latkit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("latkit")  # no timing decides whether a test passes


@pytest.fixture(scope="session", autouse=True)
def leases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' own folder of leases: other users of this machine do not affect it."""
    folder = tmp_path_factory.mktemp("leases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATKIT_LEASES", str(folder))
        yield folder


Run = Callable[..., tuple[int, str, str]]
"""Runs a command of latkit; returns its exit code, stdout and stderr."""


@pytest.fixture
def latkit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of latkit in this process."""

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["latkit", *map(str, argv)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        code = ended.value.code
        return int(code) if code else 0, shown.out, shown.err

    return run


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' own folder of host state: nothing is confirmed in it."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@dataclass(frozen=True)
class Sshd:
    """A server that accepts one throwaway key. `config` knows it as `board`, and as `behind` through `board`."""

    port: int
    folder: Path
    config: Path
    known_hosts: Path
    key: Path
    host_key: Path
    log: Path

    @property
    def home(self) -> Path:
        """The user's home folder there: empty, so that no start-up file takes time and no file is left."""
        return self.folder / "home"

    def write_config(self, path: Path, known_hosts: Path, key: Path | None = None, port: int | None = None) -> Path:
        """Another configuration for the same server, under the same aliases."""
        common = (
            f" HostName 127.0.0.1\n Port {port or self.port}\n User root\n IdentityFile {key or self.key}\n"
            f" IdentitiesOnly yes\n UserKnownHostsFile {known_hosts}\n GlobalKnownHostsFile /dev/null\n"
        )
        path.write_text(f"Host board\n{common}\nHost behind\n{common} ProxyJump board\n")
        return path


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[Sshd]:
    """A running sshd, reached on loopback only; ended by its process id. Its configuration is confirmed here."""
    if not SSHD.exists() or not shutil.which("ssh-keygen"):
        pytest.skip(f"{SSHD} is missing: apt-get install openssh-server")
    if os.geteuid() != 0:
        pytest.skip("sshd needs root to let its own user in without PAM")
    folder = tmp_path_factory.mktemp("sshd")
    port = free_port()
    server = Sshd(
        port,
        folder,
        folder / "config",
        folder / "known_hosts",
        make_key(folder / "user_key"),
        make_key(folder / "host_key"),
        folder / "log",
    )
    write_server(server)
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        wait_for(port, process, server.log)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def write_server(server: Sshd) -> None:
    Path("/run/sshd").mkdir(exist_ok=True)
    server.home.mkdir()
    (server.folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{server.port}\nHostKey {server.host_key}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {server.key}.pub\nPermitRootLogin yes\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxStartups 100\n"
        # an empty home; no route to the internet, whatever a command tries
        f"SetEnv HOME={server.home} http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 PIP_NO_INDEX=1\n"
    )
    public = server.host_key.with_suffix(".pub").read_text()
    server.known_hosts.write_text(f"# the server of the tests\n[127.0.0.1]:{server.port} {public}")
    server.write_config(server.config, server.known_hosts)
    Named("the SSH configuration", server.config, sha256_of(server.config)).confirm()


def make_key(path: Path) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "latkit's tests", "-f", str(path)]
    subprocess.run(command, check=True, timeout=30)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path, address: str = "127.0.0.1") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"sshd ended: {log.read_text()}")
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"sshd does not answer: {log.read_text()}")
