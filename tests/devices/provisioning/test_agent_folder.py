"""Only files that latkit put on a device are ever removed, and a refused device is left unchanged.

Everything happens in the test's own folder; files put there for others must still exist afterwards.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import latkit
from latkit._io import cache
from latkit.devices import Device, Local, add_device, install, list_devices, remove_device, trust
from latkit.devices import registry as registering
from latkit.devices.provisioning.agent_folder import MARKER, claim, inspect_folder, mark_if_new, missing_folders
from latkit.devices.provisioning.clearing import claimed, clear
from latkit.devices.sessions.agent_launcher import push_agent
from latkit.devices.transports import Completed
from latkit.devices.transports.base import Transport, sha256_of
from latkit.devices.transports.local import LocalTransport
from latkit.errors import DeviceError, UsageError
from tests.devices.agent_file import agent_file
from tests.devices.conftest import this_machine


class Applets(LocalTransport):
    """This machine with the commands of one program, as on small boards and phones."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Completed:
        assert "\n" not in "".join(argv), "a login shell such as tcsh takes one line only"
        return super().run([self._program, *argv] if self._program else argv, timeout_s, stdin)


@pytest.fixture(params=["", "busybox", "toybox"])
def transport(request: pytest.FixtureRequest) -> Transport:
    if request.param and not shutil.which(request.param):
        pytest.skip(f"{request.param} is missing: apt-get install {request.param}")
    return Applets(request.param)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def agent_in(folder: Path) -> Path:
    """The agent as latkit installs it."""
    path = folder / f"agent-{sha256_of(agent_file())[:12]}.pyz"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(agent_file(), path)
    return path


def model_in(folder: Path, content: bytes = b"a model") -> Path:
    path = folder / "models" / hashlib.sha256(content).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def home_in(folder: Path) -> list[str]:
    """A folder full of a person's own files, under names that latkit uses too."""
    for name in ("models/mine", "models/thesis", "native/0123456789ab/mine", "native/mine", "venv/pyvenv.cfg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    for name in ("wheels/mine.whl", f"agent-{'0' * 12}.py", f"bundle-{'0' * 12}.tar.gz", f"models/{'0' * 64}", "notes"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    return files(folder)


class TestClearing:
    def test_what_latkit_made_goes_and_the_folder_too(self, transport: Transport, tmp_path: Path) -> None:
        place = tmp_path / "a b" / "agent"
        push_agent(transport, str(place))
        assert inspect_folder(transport, str(place)).marked
        for name in ("native/0123456789ab/lib/x", "venv/bin/python", "wheels/x.whl", f"benchmark_model-{'0' * 12}"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).touch()
        for name in ("venv", "wheels"):
            (place / name / MARKER).touch()
        (place / f"agent-{'0' * 12}.py.{'0' * 16}.part").touch()
        for index in range(200):  # too many for one command of an old phone
            model_in(place, str(index).encode())
        assert clear(transport, str(place)) == []
        assert files(tmp_path) == ["a b"]
        assert clear(transport, str(place)) == [], "nothing is there any more"

    def test_what_others_put_into_it_stays(self, transport: Transport, tmp_path: Path) -> None:
        push_agent(transport, str(tmp_path / "agent"))
        model_in(tmp_path / "agent")
        for name in ("notes", "models/mine", "native/mine"):
            (tmp_path / "agent" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "agent" / name).write_text("mine")
        assert clear(transport, str(tmp_path / "agent")) == []
        assert files(tmp_path / "agent") == ["models", "models/mine", "native", "native/mine", "notes"]

    def test_an_environment_of_others_stays_in_a_folder_that_was_empty(
        self, transport: Transport, tmp_path: Path
    ) -> None:
        place = tmp_path / "home"
        place.mkdir()
        push_agent(transport, str(place))
        for name in ("venv/pyvenv.cfg", "wheels/mine.whl"):
            (place / name).parent.mkdir()
            (place / name).write_text("mine")
        assert clear(transport, str(place)) == ["venv", "wheels"]
        assert files(place) == ["venv", "venv/pyvenv.cfg", "wheels", "wheels/mine.whl"]

    def test_a_name_with_a_newline_is_none_of_latkits(self, transport: Transport, tmp_path: Path) -> None:
        for number, name in enumerate((f"\nagent-{'0' * 12}.py", "\n", f"x\n{MARKER}", f"{'0' * 64}\n")):
            place = tmp_path / str(number)
            place.mkdir()
            (place / name).write_text("mine")
            with pytest.raises(UsageError, match="new or empty folder"):
                claim(transport, str(place))
            clear(transport, str(place))
            assert [path.name for path in place.iterdir()] == [name]

    def test_a_folder_of_others_loses_nothing_but_what_is_known_by_its_hash(
        self, transport: Transport, tmp_path: Path
    ) -> None:
        before = home_in(tmp_path)
        agent, model = agent_in(tmp_path), model_in(tmp_path)
        left = clear(transport, str(tmp_path))
        assert files(tmp_path) == before
        assert not agent.exists()
        assert not model.exists()
        assert sorted(left) == [
            f"agent-{'0' * 12}.py",
            f"bundle-{'0' * 12}.tar.gz",
            "models",
            "native",
            "venv",
            "wheels",
        ]

    def test_links_are_not_followed(self, transport: Transport, tmp_path: Path) -> None:
        mine, place = tmp_path / "mine", tmp_path / "agent"
        model_in(mine)
        home_in(mine / "inside")
        before = files(mine)
        mark_if_new(transport, str(place))
        (place / "models").symlink_to(mine / "models")
        for name in ("native", "venv", "wheels"):
            (place / name).symlink_to(mine / "inside" / name)
        clear(transport, str(place))
        assert files(mine) == before
        (place / MARKER).unlink(missing_ok=True)
        agent_in(place)
        clear(transport, str(place))
        assert files(mine) == before

    def test_a_link_to_a_home_is_not_taken_for_an_empty_folder(self, transport: Transport, tmp_path: Path) -> None:
        before = home_in(tmp_path / "home")
        (tmp_path / "agent").symlink_to(tmp_path / "home")
        with pytest.raises(UsageError, match="expected a new or empty folder"):
            claim(transport, str(tmp_path / "agent"))
        mark_if_new(transport, str(tmp_path / "agent"))
        clear(transport, str(tmp_path / "agent"))
        assert files(tmp_path / "home") == before

    def test_a_link_in_place_of_the_marker_marks_nothing(self, transport: Transport, tmp_path: Path) -> None:
        before = home_in(tmp_path / "home")
        (tmp_path / "home" / MARKER).symlink_to("/etc/hostname")
        clear(transport, str(tmp_path / "home"))
        assert files(tmp_path / "home") == sorted([*before, MARKER])

    def test_an_unreadable_folder_is_refused(self, transport: Transport, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(DeviceError, match="as a folder that can be read"):
            claim(transport, str(tmp_path / "file"))
        with pytest.raises(DeviceError, match="as a folder that can be read"):
            clear(transport, str(tmp_path / "file"))


def test_the_cache_of_this_machine_may_be_there_before_the_agent(transport: Transport, tmp_path: Path) -> None:
    """Commands that measure on other devices, or only export, fill it first."""
    place = tmp_path / ".cache" / "latkit"
    for name in cache.NAMES:
        (place / name / "x").mkdir(parents=True)
    claim(transport, str(place))
    assert inspect_folder(transport, str(place)).marked
    assert clear(transport, str(place)) == []
    assert {path.name for path in place.iterdir()} == set(cache.NAMES)


def test_all_that_is_written_to_the_cache_is_known_there() -> None:
    """A name that is not in `NAMES` would keep this machine from becoming a device later."""
    package = Path(latkit.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "cache.py" or path.parent.name != "_io"]
    naming = [path.name for path in sources if re.search("[\"']LATKIT_CACHE[\"']", path.read_text(encoding="utf-8"))]
    assert naming == [], "use latkit._io.cache instead"


class TestEarlierVersions:
    """They left no marker."""

    def test_the_default_folder_is_taken_over(self, transport: Transport, tmp_path: Path) -> None:
        place = tmp_path / ".cache" / "latkit"
        agent_in(place)
        model_in(place)
        for name in ("venv/bin/python", "native/0123456789ab/x", "bundles/x.json", "artifacts/x"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).touch()
        claim(transport, str(place))
        assert inspect_folder(transport, str(place)).marked
        (place / MARKER).unlink()
        assert clear(transport, str(place)) == []
        assert files(place) == ["artifacts", "artifacts/x", "bundles", "bundles/x.json"], "the host's own caches"

    def test_the_default_folder_with_something_else_in_it_is_not(self, transport: Transport, tmp_path: Path) -> None:
        place = tmp_path / ".cache" / "latkit"
        agent_in(place)
        (place / "thesis").touch()
        with pytest.raises(UsageError, match="but found 'thesis' in"):
            claim(transport, str(place))
        (place / "thesis").unlink()
        model_in(place)
        (place / "models" / "mine").touch()
        with pytest.raises(UsageError, match="but found 'models/mine' in"):
            claim(transport, str(place))

    def test_another_folder_is_where_hashes_show_it(self, transport: Transport, tmp_path: Path) -> None:
        agent_in(tmp_path / "old")
        model_in(tmp_path / "old")
        assert clear(transport, str(tmp_path / "old")) == []
        assert not (tmp_path / "old").exists()
        (tmp_path / "other" / "models").mkdir(parents=True)
        with pytest.raises(UsageError, match="but found 'models' in"):
            claim(transport, str(tmp_path / "other"))


class TestAdding:
    def test_a_folder_with_other_content_is_refused(self, tmp_path: Path) -> None:
        place = tmp_path / "home"
        before = home_in(place)
        message = f"new or empty folder for the agent, but found '.*' in {place}, .*--agent-folder {place}/latkit-agent"
        with pytest.raises(UsageError, match=message):
            add_device(tmp_path / "devices", "me", Local(), agent_folder=str(place))
        assert files(place) == before
        assert list_devices(tmp_path / "devices") == []

    @pytest.mark.parametrize("path", ["relative", "/", "/a/../b", "/a\nb", "~/x"])
    def test_a_folder_that_is_none(self, tmp_path: Path, path: str) -> None:
        with pytest.raises(UsageError, match="expected the agent's folder as an absolute path"):
            add_device(tmp_path / "devices", "me", Local(), agent_folder=path)

    @pytest.mark.parametrize("error", [DeviceError("no"), KeyboardInterrupt()], ids=["refused", "interrupted"])
    def test_what_was_refused_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_without_torch: str, error: BaseException
    ) -> None:
        probe = registering.probe

        def failing(*arguments: object) -> object:
            probe(*arguments)  # type: ignore[arg-type]
            raise error

        monkeypatch.setattr(registering, "probe", failing)
        folder = str(tmp_path / "a" / "b")
        with pytest.raises(type(error)):
            add_device(tmp_path / "devices", "me", Local(), python=python_without_torch, agent_folder=folder)
        assert files(tmp_path) == []

    def test_a_folder_in_use_is_left_as_it_was(self, transport: Transport, tmp_path: Path) -> None:
        push_agent(transport, str(tmp_path))
        model_in(tmp_path)
        before = files(tmp_path)

        def put_and_fail() -> None:
            with claimed(transport, str(tmp_path)):
                model_in(tmp_path, b"another")
                (tmp_path / "native" / "0123456789ab").mkdir(parents=True)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            put_and_fail()
        assert files(tmp_path) == before

    def test_folders_above_that_were_made_go_too(self, transport: Transport, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        deep = tmp_path / "there" / "new" / "agent"
        assert missing_folders(transport, str(deep)) == [str(deep), str(deep.parent)]

        def put_and_fail() -> None:
            with claimed(transport, str(deep)):
                push_agent(transport, str(deep))
                model_in(deep)
                raise DeviceError("no")

        with pytest.raises(DeviceError):
            put_and_fail()
        assert files(tmp_path) == ["there"]

    def test_a_device_without_find(self, tmp_path: Path) -> None:
        class Bare(LocalTransport):
            def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Completed:
                return Completed(127, b"", b"find: not found")

        with pytest.raises(DeviceError, match="expected the command find on the device"):
            claim(Bare(), str(tmp_path))


class TestRemoving:
    def registered(self, board: Device, tmp_path: Path, place: Path) -> Path:
        """A device whose folder an earlier version took without confirmation, or whose file comes from another user."""
        devices = tmp_path / "devices"
        this_machine(board, tmp_path, Local()).model_copy(update={"folder": str(place)}).write(devices)
        return devices

    def test_a_device_file_that_names_a_home(self, board: Device, tmp_path: Path) -> None:
        before = home_in(tmp_path / "home")
        devices = self.registered(board, tmp_path, tmp_path / "home")
        trust(list_devices(devices)[0])
        trouble = remove_device(devices, "board")
        assert files(tmp_path / "home") == before
        assert re.search("nothing shows that .*venv.* in .*/home was made by latkit", str(trouble))
        assert list_devices(tmp_path / "devices") == []

    def test_a_folder_that_another_device_uses(self, board: Device, tmp_path: Path) -> None:
        place = tmp_path / "agent"
        push_agent(LocalTransport(), str(place))
        devices = self.registered(board, tmp_path, place)
        device = list_devices(devices)[0]
        device.model_copy(update={"name": "twin"}).write(devices)
        trust(device)
        assert "is the folder of twin too" in str(remove_device(devices, "board"))
        assert list(place.glob("agent-*.pyz"))
        assert remove_device(devices, "twin") is None
        assert not place.exists()

    def test_no_runtime_is_installed_into_a_folder_of_others(self, board: Device, tmp_path: Path) -> None:
        before = home_in(tmp_path / "home")
        devices = self.registered(board, tmp_path, tmp_path / "home")
        trust(list_devices(devices)[0])
        with pytest.raises(UsageError, match="expected a new or empty folder"):
            install(devices, "board", ["onnxruntime"])
        assert files(tmp_path / "home") == before


def test_onnxruntime_leaves_nothing_in_the_home_of_a_device(
    board: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_without_torch: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    add_device(tmp_path / "devices", "me", Local(), python=python_without_torch, agent_folder=str(tmp_path / "agent"))
    assert list(home.iterdir()) == []
