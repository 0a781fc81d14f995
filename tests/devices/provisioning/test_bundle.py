"""The bundle is the same bytes every time, tampering is detected, and it starts where it is put."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from latkit.cli.app import app
from latkit.devices import Local, Ssh, add_device, connect, load_device, open_session, remove_device
from latkit.devices.provisioning import bundle as bundling
from latkit.devices.provisioning import toolchain as compiling
from latkit.devices.provisioning.agent_folder import MARKER
from latkit.devices.provisioning.bundle import (
    AGENT,
    bundle_for,
    known_bundles,
    packed,
    pins,
    read_bundle,
    runtime_libraries,
)
from latkit.devices.provisioning.clearing import clear
from latkit.devices.sessions import agent_launcher
from latkit.devices.sessions.agent_launcher import push_native
from latkit.devices.transports import Completed
from latkit.devices.transports.base import sha256_of
from latkit.devices.transports.local import LocalTransport
from latkit.errors import BundleError, DeviceError, UsageError
from latkit.targets import Target
from latkit.timing import TimingPlan
from tests.devices.agent.test_native import toolchain
from tests.golden.fields import check_fields

HERE = platform.machine()
Compile = Callable[..., None]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that holds a bundle for this machine; its runtime is that of the installed wheel."""
    toolchain(HERE)
    pin = pins()["onnxruntime"]
    folder, _, rest = pin.library.partition("/")
    spec = find_spec(folder)
    assert spec
    assert spec.submodule_search_locations
    library = Path(spec.submodule_search_locations[0], rest).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundling, "runtime_libraries", lambda *_: {pin.place: library})
        patch.setattr(bundling, "COMPRESSION", 1)
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("LATKIT_CACHE", str(cache))
        bundle_for(HERE)
        yield cache / "bundles"


@pytest.fixture
def record(bundles: Path, tmp_path: Path) -> Path:
    """The bundle's record, to be tampered with."""
    for path in bundles.iterdir():
        shutil.copy(path, tmp_path)
    (found,) = tmp_path.glob("*.json")
    return found


class TestBuilding:
    def test_the_same_bytes_twice(
        self, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compile_anew: Compile
    ) -> None:
        monkeypatch.setattr(compiling.Toolchain, "compile", compile_anew)
        again, _ = bundle_for(HERE, folder=tmp_path)
        first, archive = bundle_for(HERE)
        assert archive.parent == bundles
        assert again == first
        assert sha256_of(archive) == first.sha256

    def test_the_same_agent_from_sources_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compile_anew: Compile
    ) -> None:
        tools, defines, quickly = toolchain(HERE), {"LITERT_VERSION": "1"}, ("-O0", "-g", "-s")
        compile_anew(tools, tmp_path / "one", defines, quickly)
        shutil.copytree(compiling.NATIVE_SOURCES, tmp_path / "elsewhere")
        monkeypatch.setattr(compiling, "NATIVE_SOURCES", tmp_path / "elsewhere")
        compile_anew(tools, tmp_path / "other", defines, quickly)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()

    def test_an_archive_holds_nothing_of_its_maker(self) -> None:
        files = {"lib/b": b"b" * 1000, "a": b"a"}
        content = packed(files)
        assert content == packed(dict(reversed(files.items())))
        assert content[4:8] == b"\0\0\0\0"  # gzip's time
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            entries = archive.getmembers()
        assert [entry.name for entry in entries] == ["a", "lib/b"]
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries} == {(0, 0, 0, "", "", 0o755)}

    def test_the_command(self, bundles: Path) -> None:
        done = CliRunner().invoke(app, ["agent", "build", "--arch", HERE, "--json"])
        assert done.exit_code == 0
        bundle, archive = bundle_for(HERE)
        check_fields(["agent", "build"], json.loads(done.stdout))
        assert json.loads(done.stdout) == {**bundle.model_dump(mode="json"), "path": str(archive)}
        assert CliRunner().invoke(app, ["agent", "build", "--arch", HERE]).exit_code == 0

    def test_unknown_options_are_usage_errors(self) -> None:
        with pytest.raises(UsageError, match="expected an architecture of aarch64, x86_64, but found 'mips'"):
            bundle_for("mips")
        with pytest.raises(UsageError, match="but found 'torch'"):
            bundle_for(HERE, ["torch"])

    @pytest.mark.parametrize("architecture", ["aarch64", "x86_64"])
    def test_without_a_compiler_it_says_what_to_install(
        self, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        package = "gcc libc6-dev" if architecture == HERE else "gcc-(aarch64|x86-64)-linux-gnu"
        with pytest.raises(BundleError, match=f"none; install it: apt-get install {package}"):
            bundle_for(architecture, folder=tmp_path)

    def test_a_compiler_that_fails_is_quoted(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="could not build the agent"):
            toolchain(HERE).compile(tmp_path / "agent", {}, ["-no-such-flag"])


class TestWheels:
    """With wheels of a folder in place of PyPI's."""

    @pytest.fixture
    def offer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], str]:
        """Publishes a wheel with that library; its hash."""
        monkeypatch.setenv("LATKIT_PYPI", str(tmp_path))
        monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")  # the user's own configuration is ignored
        monkeypatch.setenv("PIP_NO_BINARY", ":all:")

        def offer(library: bytes) -> str:
            pin = pins()["onnxruntime"]
            place = tmp_path / f"onnxruntime-{pin.version}-cp311-cp311-{pin.platform}_{HERE}.whl"
            about = f"onnxruntime-{pin.version}.dist-info"
            with zipfile.ZipFile(place, "w") as wheel:
                wheel.writestr(pin.library, library)
                wheel.writestr(
                    f"{about}/METADATA", f"Metadata-Version: 2.1\nName: onnxruntime\nVersion: {pin.version}\n"
                )
                wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\n")
            return sha256_of(place)

        return offer

    def test_the_library_is_taken_from_the_pinned_wheel(self, offer: Callable[[bytes], str], tmp_path: Path) -> None:
        pin = pins()["onnxruntime"].model_copy(update={"wheel_sha256": {HERE: offer(b"a library")}})
        assert runtime_libraries(HERE, {"onnxruntime": pin}, tmp_path) == {pin.place: b"a library"}

    def test_a_wheel_of_another_hash_is_refused(self, offer: Callable[[bytes], str], tmp_path: Path) -> None:
        offer(b"another library")
        with pytest.raises(BundleError, match=f"could not fetch the pinned wheels for {HERE}"):
            runtime_libraries(HERE, {"onnxruntime": pins()["onnxruntime"]}, tmp_path)


class TestTampering:
    def test_an_archive_that_was_changed(self, record: Path) -> None:
        bundle, archive = read_bundle(record)
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 1
        archive.write_bytes(content)
        with pytest.raises(
            BundleError, match=f"with the SHA-256 {bundle.sha256}, but found .*; remove .* build it anew"
        ):
            read_bundle(record)

    def test_an_archive_that_is_missing(self, record: Path) -> None:
        read_bundle(record)[1].unlink()
        with pytest.raises(BundleError, match="but found no file; remove"):
            read_bundle(record)

    @pytest.mark.parametrize("text", ["", "{}", '{"format": "latkit-bundle-0"}', "[" * 9999, '{"bytes": 1e999}'])
    def test_a_record_that_is_none(self, record: Path, text: str) -> None:
        record.write_text(text)
        with pytest.raises(
            BundleError, match=r"expected the description of a bundle, but found .*build it anew"
        ) as caught:
            read_bundle(record)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("file", ["/etc/passwd", "../x.tar.gz", "a/b.tar.gz", "\0", "x" * 300, ""])
    def test_a_record_that_names_another_file(self, record: Path, file: str) -> None:
        record.write_text(json.dumps({**json.loads(record.read_text()), "file": file}))
        with pytest.raises(BundleError, match="but found file: String should match"):
            read_bundle(record)

    @pytest.mark.parametrize("name", ["/bin/sh", "../lib/x", "lib/../../x", "-x", "lib/a b"])
    def test_a_record_of_files_elsewhere(self, record: Path, name: str) -> None:
        document = json.loads(record.read_text())
        record.write_text(json.dumps({**document, "files": {name: "0" * 64}}))
        with pytest.raises(BundleError, match="but found files"):
            read_bundle(record)

    def test_records_that_cannot_be_read_are_not_known(self, record: Path) -> None:
        (known,) = known_bundles(record.parent)
        (record.parent / "other.json").write_text("{")
        assert known_bundles(record.parent) == [known]


class TestSharedCache:
    """A bundle that another user has put into the cache is used only if it equals the one that would be built."""

    @pytest.fixture
    def shared(self, bundles: Path, tmp_path: Path) -> Path:
        """A cache with a bundle of one runtime, built by this user; its record."""
        bundle_for(HERE, ["onnxruntime"], tmp_path / "cache")
        (found,) = (tmp_path / "cache").glob("*.json")
        return found

    def exchange(self, record: Path, files: dict[str, bytes]) -> None:
        """Put another archive there, and a record that matches it."""
        bundle, archive = read_bundle(record)
        archive.write_bytes(packed(files))
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        changes = {"sha256": sha256_of(archive), "bytes": archive.stat().st_size, "files": hashes}
        record.write_text(bundle.model_copy(update=changes).model_dump_json())

    def test_an_equal_bundle_built_by_another_process_is_used(
        self, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = sha256_of(read_bundle(shared)[1])
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user's"))
        monkeypatch.setattr(bundling, "_build", None)
        bundle, archive = bundle_for(HERE, ["onnxruntime"], shared.parent)
        assert sha256_of(archive) == bundle.sha256 == before
        monkeypatch.setattr(bundling, "_check_content", None)
        bundle_for(HERE, ["onnxruntime"], shared.parent)  # now it is known

    def test_an_exchanged_archive_with_its_record_is_refused(self, shared: Path) -> None:
        _, archive = read_bundle(shared)
        with tarfile.open(archive) as opened:
            files = {e.name: found.read() for e in opened.getmembers() if (found := opened.extractfile(e))}
        for spoilt in (
            {**files, AGENT: files[AGENT] + b"\0"},
            {**files, "lib/libonnxruntime.so": b"another"},
            {**files, "lib/more.so": b"more"},
            {name: content for name, content in files.items() if name != "lib/libm.so.6"},
        ):
            self.exchange(shared, spoilt)
            with pytest.raises(BundleError, match=r"to hold what latkit puts into it, but found .*; remove .* anew"):
                bundle_for(HERE, ["onnxruntime"], shared.parent)

    def test_a_link_in_the_archive_is_refused(self, shared: Path) -> None:
        bundle, archive = read_bundle(shared)
        with tarfile.open(archive, "w:gz") as opened:
            for name in bundle.files:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = tarfile.SYMTYPE, "/bin/sh"
                opened.addfile(entry)
        changes = {"sha256": sha256_of(archive), "bytes": archive.stat().st_size}
        shared.write_text(bundle.model_copy(update=changes).model_dump_json())
        with pytest.raises(BundleError, match="to hold what latkit puts into it"):
            bundle_for(HERE, ["onnxruntime"], shared.parent)


class Answering(LocalTransport):
    """This machine, except for one command with a fixed answer."""

    def __init__(self, command: str, answer: Completed) -> None:
        super().__init__()
        self._command, self._answer = command, answer

    def run(self, argv, timeout_s: float, stdin: bytes = b"") -> Completed:
        return self._answer if argv[0].endswith(self._command) else super().run(argv, timeout_s, stdin)


def read_bundle_name(folder: Path) -> str:
    """The version of the native agent on the device."""
    (found,) = (folder / "native").iterdir()
    return found.name


@pytest.mark.usefixtures("bundles")
class TestOnTheDevice:
    def test_it_is_pushed_once_and_again_where_a_file_was_changed(self, tmp_path: Path) -> None:
        with connect(Local()) as transport:
            command = push_native(transport, str(tmp_path))
            program = Path(command[-1])
            assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(
                [MARKER, *(Path(name).name for name in bundle_for(HERE)[0].files)]
            )
            before = program.stat().st_ino
            assert push_native(transport, str(tmp_path)) == command
            assert program.stat().st_ino == before
            program.write_bytes(program.read_bytes() + b"\0")
            assert push_native(transport, str(tmp_path)) == command
            assert sha256_of(program) == bundle_for(HERE)[0].files[AGENT]

    def test_another_version_is_replaced(self, tmp_path: Path) -> None:
        place = tmp_path / "agent"
        with connect(Local()) as transport:
            push_native(transport, str(place))
            current = read_bundle_name(place)
            for name in ("0123456789ab/lib", "mine"):
                (place / "native" / name).mkdir(parents=True)
            (place / "native" / current / AGENT).unlink()
            push_native(transport, str(place))
        assert sorted(path.name for path in (place / "native").iterdir()) == sorted([current, "mine"])

    def test_nothing_is_replaced_in_a_folder_of_others(self, tmp_path: Path) -> None:
        (tmp_path / "native" / "0123456789ab").mkdir(parents=True)
        with connect(Local()) as transport:
            push_native(transport, str(tmp_path))
            assert (tmp_path / "native" / "0123456789ab").exists()
            clear(transport, str(tmp_path))
        assert [path.name for path in (tmp_path / "native").iterdir()] == ["0123456789ab"]

    @pytest.mark.parametrize("kind", ["local", "ssh"])
    def test_a_device_is_added_measured_and_removed(
        self, request: pytest.FixtureRequest, kind: str, tmp_path: Path, make_model
    ) -> None:
        there = Local() if kind == "local" else Ssh(host="board", config=str(request.getfixturevalue("sshd").config))
        place, folder = tmp_path / "there", tmp_path / "devices"
        device = add_device(folder, "bare", there, native=True, agent_folder=str(place))
        assert (device.agent, device.python) == ("native", None)
        assert load_device(folder, "bare") == device
        assert device.runtimes == {"onnxruntime": f"onnxruntime {pins()['onnxruntime'].version}"}
        workload, reference = make_model(64), make_model(8)
        with open_session(device, Target("bare", "onnxruntime")) as session:
            one_round = session.measure_round(workload, reference, TimingPlan(rounds=1, round_s=0.05))
        assert min(one_round.wall_ns) > 0
        assert remove_device(folder, "bare") is None
        assert not place.exists()

    def test_a_device_without_python_gets_it_unasked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(agent_launcher, "_search_python", lambda *_: ("", "not found"))
        with connect(Local()) as transport:
            assert agent_launcher.choose_python(transport, None) is None
            with pytest.raises(DeviceError, match=r"expected Python 3\.8 or later on the device as python9"):
                agent_launcher.choose_python(transport, "python9")

    @pytest.mark.parametrize("machine", ["armv7l", "riscv64", ""])
    def test_a_processor_that_it_is_not_built_for(self, tmp_path: Path, machine: str) -> None:
        transport = Answering("uname", Completed(0, machine.encode() + b"\n", b""))
        with pytest.raises(DeviceError, match=f"expected a 64-bit processor .* but found '{machine}'"):
            push_native(transport, str(tmp_path))

    @pytest.mark.parametrize(("command", "doing"), [("tar", "unpacking"), ("mkdir", "making"), ("rm", "removing")])
    def test_a_device_that_has_no_room(self, tmp_path: Path, command: str, doing: str) -> None:
        transport = Answering(command, Completed(1, b"", b"No space left on device"))
        with pytest.raises(DeviceError, match=f"{doing} .*: No space left on device"):
            push_native(transport, str(tmp_path))

    def test_a_device_that_refuses_to_execute(self, tmp_path: Path) -> None:
        transport = Answering(".so.2", Completed(126, b"", b"Permission denied"))
        with pytest.raises(
            DeviceError, match=r"to start, but found exit status 126 \(Permission denied\); .*--agent-f"
        ):
            push_native(transport, str(tmp_path))

    def test_files_that_arrive_changed(self, tmp_path: Path) -> None:
        transport = Answering("sha256sum", Completed(1, b"", b"sha256sum: no such file"))
        with pytest.raises(DeviceError, match="as they were sent, but found others"):
            push_native(transport, str(tmp_path))
