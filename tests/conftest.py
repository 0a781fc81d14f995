"""Fixtures that several folders of tests share: folders of the tests' own, a real sshd, a real adbd, and a phone."""

from __future__ import annotations

import functools
import gc
import hashlib
import json
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
import typer

from latkit.cli import main
from latkit.devices import Device, Local, add_device, load_device, trust
from latkit.devices.agent import NATIVE_SOURCES
from latkit.devices.provisioning.bundle import bundle_for
from latkit.devices.provisioning.toolchain import Toolchain
from latkit.errors import BundleError
from latkit.profiling import baseline_check
from latkit.testing import Unavailable
from latkit.testing.boards.sshd import Sshd, running_sshd
from latkit.testing.host import locked
from latkit.testing.phone.adbd import Daemon, adbd
from latkit.testing.phone.emulated import Phone, running_phone
from latkit.testing.phone.packages import cache_folder
from latkit.testing.phone.server import adb, adb_server
from latkit.timing import baseline_has_changed, relative_change
from tests.forking import Forks, forks, measure_briefly
from tests.golden.fields import check_fields

os.environ.setdefault("OMP_NUM_THREADS", "1")  # or the threads of two pytest workers fight over two cores
os.environ.setdefault("LATKIT_TEST_CACHE", str(Path(__file__).parents[1] / "build" / "phone"))
hypothesis.settings.register_profile("latkit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("latkit")  # no timing decides whether a test passes
measure_briefly()


MARKED_FIXTURES = {"browser": "browser", **dict.fromkeys(("searches", "runs", "bench"), "slow")} | dict.fromkeys(
    ("sshd", "adbd_here", "adb_server_here", "phone_of_packages", "here", "folder", "measured_workspace", "register"),
    "device",
)
"""Marks of the tests that use a fixture, by its name: those that start a server, an agent, a phone or a browser."""
BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
)
"""Of a browser that shows nothing on a screen and makes no request of its own."""
OPTIMIZED = ("-O2", "-s")
"""How the native agent is compiled for devices."""
DEVICE_FOLDERS = ("agent", "android", "leases", "provisioning", "sessions", "transports")
"""Folders of tests/devices in which nearly every test starts a process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures and folders; `slow` is written where it applies."""
    devices = Path(__file__).parent / "devices"
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        marks = {mark for name, mark in MARKED_FIXTURES.items() if name in names}
        if item.path.is_relative_to(devices) and item.path.relative_to(devices).parts[0] in DEVICE_FOLDERS:
            marks.add("device")
        for mark in marks:
            item.add_marker(mark)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[Any]) -> None:
    """Fork the workers off a process that has imported what all of them need, the tests included."""
    stack = ExitStack()
    config.add_cleanup(stack.close)
    folder = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    ignored = [f"--ignore={path}" for path in config.option.ignore or ()]
    python = stack.enter_context(forks(folder, *config.args, *ignored)).python(folder)
    for spec in specs:
        spec.python = shlex.quote(str(python))


def pytest_configure() -> None:
    """Look for no unreachable objects while modules are imported: nearly all that they make is kept."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on look for unreachable objects, but not among those of modules and of collected tests."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """A part that this machine lacks skips the tests that need it, with its reason."""
    try:
        return (yield)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """The same for parts that a test starts by itself."""
    try:
        return (yield)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", autouse=True)
def leases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' own folder of leases: other users of this machine do not affect it."""
    folder = tmp_path_factory.mktemp("leases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATKIT_LEASES", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' own folder of host state: nothing is confirmed in it."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' own folder of configuration, where latkit keeps its key for phones."""
    folder = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def compile_anew() -> Iterator[Callable[..., None]]:
    """The native agent is compiled once from the same sources, whatever the number of tests and workers.

    The fixture's value compiles it in any case.
    """
    compiled = Toolchain.compile
    sources = [path.read_bytes() for path in sorted(NATIVE_SOURCES.rglob("*.[ch]"))]

    def fetch(self: Toolchain, output: Path, defines: Mapping[str, str], flags: Sequence[str] = OPTIMIZED) -> None:
        compiler = self.compiler, Path(self.compiler).resolve().stat().st_mtime_ns
        key = hashlib.sha256(repr([compiler, sorted(defines.items()), list(flags), sources]).encode())
        program = cache_folder() / "programs" / key.hexdigest()[:16]
        with locked(program.with_suffix(".lock")):
            if not program.exists():
                compiled(self, program.with_suffix(".part"), defines, flags)
                program.with_suffix(".part").rename(program)
        shutil.copy(program, output)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Toolchain, "compile", fetch)
        yield compiled


@pytest.fixture(scope="session", autouse=True)
def _commands_once() -> Iterator[None]:
    """The commands of the command line are made once: typer would make all of them for every call in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


def shared(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one worker fills for all of them, at the same path; to be read, or copied."""
    folder = shared(factory) / f"shared-{name}"
    made = folder.with_name(f"{folder.name}.made")
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


Register = Callable[[Path, Path], Device]
"""Writes this machine as `here` into a folder of devices, with a folder for its agent."""


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> Register:
    """Registers this machine as `latkit device add` did once: that takes seconds, most of them for importing torch."""

    def make(folder: Path) -> None:
        add_device(folder, "here", Local(), python=sys.executable, agent_folder=str(folder / "agent"))

    device = load_device(made_once(tmp_path_factory, "device", make), "here")

    def write(devices: Path, agent: Path) -> Device:
        copy = device.model_copy(update={"folder": str(agent)})
        copy.write(devices)
        trust(copy)
        return copy

    return write


@pytest.fixture(scope="session")
def python_without_torch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with the packages of this one but torch, which takes a second to find on a device.

    For devices of whose runtimes a test uses onnxruntime alone, or none.
    """

    def make(folder: Path) -> None:
        packages = folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
        packages.mkdir(parents=True)
        for place in Path(sysconfig.get_path("purelib")).iterdir():
            if place.name != "torch":
                (packages / place.name).symlink_to(place)
        base = Path(sys._base_executable)  # type: ignore[attr-defined]
        (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\n", encoding="utf-8")
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(base)

    return str(made_once(tmp_path_factory, "python", make) / "bin" / "python")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium, driven by selenium."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium or chromedriver is missing: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*BROWSER_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


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
        code = int(ended.value.code or 0)
        if "--json" in argv and (not code or "doctor" in argv):
            check_fields([str(one) for one in argv], json.loads(shown.out))
        return code, shown.out, shown.err

    return run


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sixth of scikit-learn's digits, for searches in this process whose accuracy no test judges."""
    from sklearn import datasets

    digits = datasets.load_digits()
    few = SimpleNamespace(images=digits.images[:300], target=digits.target[:300])
    monkeypatch.setattr(datasets, "load_digits", lambda: few)


@pytest.fixture
def speed_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command notices that a device has become faster or slower, as it does outside of tests."""
    monkeypatch.setattr(baseline_check, "relative_change", relative_change)
    monkeypatch.setattr(baseline_check, "baseline_has_changed", baseline_has_changed)


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Runs Python programs in processes of their own that need not import torch."""
    with forks(shared(tmp_path_factory)) as found:
        yield found


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[Sshd]:
    """A running sshd, reached on loopback only. Its configuration is confirmed here."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def adbd_here(tmp_path_factory: pytest.TempPathFactory, configuration: Path) -> Iterator[Daemon]:
    """A real adbd whose commands run on this machine."""
    with adbd(tmp_path_factory.mktemp("adbd")) as daemon:
        yield daemon


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
    with running_phone(tmp_path_factory.mktemp("phone")) as found:
        yield found


@pytest.fixture
def phone(phone_of_packages: Phone) -> Iterator[Phone]:
    """The phone, restored to its usual state afterwards."""
    yield phone_of_packages
    phone_of_packages.reset()


@pytest.fixture
def cached_bundles(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, with shared agent bundles, whose parts take long to fetch."""
    cache, bundles = tmp_path_factory.mktemp("cache"), cache_folder() / "bundles"
    with locked(bundles / "lock"), suppress(BundleError):  # built once, whatever the number of workers
        bundle_for("aarch64", folder=bundles)
    (cache / "bundles").symlink_to(bundles)
    monkeypatch.setenv("LATKIT_CACHE", str(cache))
    return bundles
