"""A real sshd on loopback, with throwaway keys, that lets its own user in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latkit.devices.transports.base import sha256_of
from latkit.devices.trust import Named
from latkit.testing.host import Unavailable, free_port, wait_for_port

SSHD = Path("/usr/sbin/sshd")


@dataclass(frozen=True)
class Sshd:
    """A server that accepts one throwaway key. `config` knows it as `board`, and as `behind` through `board`."""

    port: int
    folder: Path

    @property
    def config(self) -> Path:
        """The client's configuration."""
        return self.folder / "config"

    @property
    def known_hosts(self) -> Path:
        """The client's list of host keys: this server's."""
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        """The client's private key."""
        return self.folder / "user_key"

    @property
    def host_key(self) -> Path:
        """The server's private key."""
        return self.folder / "host_key"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "log"

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


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run a server whose files are in that folder; it is ended by its process id. Raises Unavailable."""
    server = make_sshd(folder)
    with server.log.open("wb") as log:
        command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
        process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(server.port, process, server.log)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def make_sshd(folder: Path) -> Sshd:
    """Write the files of a server that is not started. Its client's configuration is confirmed. Raises Unavailable."""
    if not SSHD.exists() or not shutil.which("ssh-keygen"):
        raise Unavailable(f"{SSHD} is missing: apt-get install openssh-server")
    if os.geteuid() != 0:
        raise Unavailable("sshd needs root to let its own user in without PAM")
    server = Sshd(free_port(), folder)
    make_key(server.key)
    make_key(server.host_key)
    Path("/run/sshd").mkdir(exist_ok=True)
    server.home.mkdir()
    (folder / "sshd_config").write_text(
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
    return server


def make_key(path: Path) -> Path:
    """A new private key there, and its public one beside it."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "latkit's tests", "-f", str(path)]
    subprocess.run(command, check=True, timeout=30)
    return path
