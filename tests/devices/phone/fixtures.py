"""Fixtures: the real adbd on this machine's own files, and the phone made of packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices.phone.adbd import Daemon, adbd
from tests.devices.phone.emulated import Phone, running_phone
from tests.devices.phone.packages import CACHE, Missing
from tests.devices.phone.server import adb, adb_server


@pytest.fixture(scope="session", autouse=True)
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' own folder of configuration, where latkit keeps its key for phones."""
    folder = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def adbd_here(tmp_path_factory: pytest.TempPathFactory, configuration: Path) -> Iterator[Daemon]:
    """A real adbd whose commands run on this machine."""
    try:
        with adbd(tmp_path_factory.mktemp("adbd")) as daemon:
            yield daemon
    except Missing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def adb_server_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An adb server of the tests' own."""
    with adb_server(tmp_path_factory.mktemp("adb-server")):
        yield


@pytest.fixture(scope="session")
def served_here(adbd_here: Daemon, adb_server_here: None) -> str:
    """The serial under which the server knows `adbd_here`."""
    result = adb("connect", adbd_here.address)
    assert b"connected to" in result.stdout, result
    return adbd_here.address


@pytest.fixture(scope="session")
def phone_of_packages(tmp_path_factory: pytest.TempPathFactory, configuration: Path) -> Iterator[Phone]:
    """The phone, for tests that leave it unchanged."""
    try:
        with running_phone(tmp_path_factory.mktemp("phone")) as found:
            yield found
    except Missing as error:
        pytest.skip(str(error))


@pytest.fixture
def cached_bundles(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, with shared agent bundles, whose parts take long to fetch."""
    cache, bundles = tmp_path_factory.mktemp("cache"), CACHE / "bundles"
    bundles.mkdir(parents=True, exist_ok=True)
    (cache / "bundles").symlink_to(bundles)
    monkeypatch.setenv("LATKIT_CACHE", str(cache))
    return bundles


@pytest.fixture
def phone(phone_of_packages: Phone) -> Iterator[Phone]:
    """The phone, restored to its usual state afterwards."""
    yield phone_of_packages
    phone_of_packages.reset()
