"""Uses of the files about devices."""

from __future__ import annotations

import os

from benchmarks.fuzzing.corpus import device
from benchmarks.fuzzing.corpus_measured import TARGET
from benchmarks.fuzzing.uses_base import UsesBase
from latkit.artifacts.cache import ArtifactCache
from latkit.devices import Ssh, holder_of, leased, list_devices, quarantine_of
from latkit.devices.provisioning.bundle import read_bundle
from latkit.devices.provisioning.toolchain import LOADERS
from latkit.devices.transports.ssh.config import resolve
from latkit.ops import Network


class DeviceUses(UsesBase):
    """Of devices."""

    def bundle(self) -> None:
        """The bundle, and its start command if an agent exists for its processor."""
        found, _ = read_bundle(self.root / "bundle" / "bundle.json")
        if found.architecture in LOADERS:
            str(found.loader)

    def device(self) -> None:
        """Shown, listed, and on the page of its target."""
        list_devices(self.root / "devices")
        self._run("device", "show", "here")
        self._run("device", "list")
        self._run("device", "list", "--json")
        self.report_target()

    def quarantine(self) -> None:
        """Shown with its device."""
        str(quarantine_of(self.root / "devices", "here"))
        self._run("device", "show", "here")
        self._run("device", "list")

    def lease(self) -> None:
        """The device's holder is shown; then the device is leased, if it is free."""
        os.environ["LATKIT_LEASES"] = str(self.root / "leases")
        self._run("device", "show", "here")
        str(holder_of(device()))
        with leased(device(), "fuzzing"):
            pass

    def ssh_config(self) -> None:
        """Two aliases resolved."""
        for name in ("board", "behind"):
            resolve(Ssh(host=name, config=str(self.root / "ssh_config")), 1.0)

    def known_hosts(self) -> None:
        """The keys of a host."""
        from latkit.devices.transports.ssh.known_hosts import known_keys

        known_keys(resolve(Ssh(host="board", config=str(self.root / "known_config")), 1.0))

    def sidecar(self) -> None:
        """An artifact from the cache."""
        network = Network.load(self.root / "net.json")
        ArtifactCache(self.root / "cache").artifact(network, TARGET)
