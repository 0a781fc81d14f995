"""The bundle: agent, loader, C library and runtimes as one archive for a device without Python.

It is built on the host from a Debian package and wheels on PyPI, with the same bytes every time, and saved in the
user's cache. The device only provides its kernel. Others may be able to write to a cache, so a bundle that this user
has not built is accepted only if it contains exactly what this user's build would contain.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import atomic_write, load_record, one_line, write_record
from latkit._io.cache import cache_folder
from latkit.devices.agent import NATIVE_SOURCES
from latkit.devices.provisioning.pip import download
from latkit.devices.provisioning.toolchain import LOADERS, Toolchain
from latkit.devices.sessions.host_state import recall, remember
from latkit.devices.transports.base import sha256_of
from latkit.errors import BadFile, BundleError, UsageError
from latkit.ops import digest

AGENT = "latkit-agent"
"""Name of the program in the bundle; `lib/` in the same folder contains the rest."""
COMPRESSION = 6
"""Higher levels take half as long again and save 0.1 %."""
KIND = "bundles"
"""Kind of the notes that record the bundles built on this host."""
MAX_RECORD_BYTES = 100_000
PINS_FILE = NATIVE_SOURCES / "pins.toml"


class Pin(BaseModel):
    """A runtime's library in a published wheel."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    package: str
    version: str
    python: str
    """Version of the Python that the wheel is for; the library does not depend on it."""
    platform: str
    """The wheel's platform tag without its architecture: the oldest C library that it runs on."""
    library: str
    """Its path in the wheel."""
    place: str
    """Its path in the bundle."""
    wheel_sha256: dict[str, str]
    """SHA-256 of the wheel, by architecture."""
    library_sha256: dict[str, str]
    """SHA-256 of the library in it, by architecture."""
    macro: str = ""
    """Name of the C macro by which the agent's sources know the version; empty if they need it not."""


class Bundle(BaseModel):
    """An archive in the cache, as described by the JSON file next to it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    format: Literal["latkit-bundle-1"] = "latkit-bundle-1"
    architecture: str
    runtimes: dict[str, str]
    """Version of each runtime in it."""
    file: str = Field(pattern=r"^[a-z0-9_]{1,20}-[0-9a-f]{12}\.tar\.gz$")
    """The archive's name: a gzipped tar file in the same folder as the record."""
    bytes: int = Field(ge=1, lt=2**63)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: dict[
        Annotated[str, Field(pattern=r"^(lib/)?[A-Za-z0-9][A-Za-z0-9._+-]{0,100}$")],
        Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")],
    ] = Field(max_length=100)
    """SHA-256 of each file in it, by path."""

    @property
    def loader(self) -> str:
        """Path in the bundle of the loader that starts the agent: the device may not have one."""
        return f"lib/{LOADERS[self.architecture]}"


def pins() -> dict[str, Pin]:
    """The wheels and libraries from PyPI that a bundle contains, by the name of the loader that uses them."""
    return {name: Pin.model_validate(table) for name, table in tomllib.loads(PINS_FILE.read_text()).items()}


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`bundles` in the folder that LATKIT_CACHE names, or in `~/.cache/latkit`."""
    return cache_folder("bundles", environment)


def bundle_for(architecture: str, runtimes: Sequence[str] = (), folder: Path | None = None) -> tuple[Bundle, Path]:
    """The bundle for a processor with those runtimes (all by default), and the path of its archive; built if missing.

    Raises UsageError for an unknown processor or runtime, BundleError if a compiler or a wheel is missing, or the
    archive in the cache is not what was built.
    """
    known = pins()
    unknown = [name for name in runtimes if name not in known]
    if unknown:
        raise UsageError(f"expected runtimes of {', '.join(known)} for the native agent, but found {unknown[0]!r}")
    selected = {name: pin for name, pin in known.items() if not runtimes or name in runtimes}
    folder = folder or default_folder()
    toolchain = Toolchain.find(architecture)
    libraries = toolchain.libraries()
    key = _key(toolchain, libraries, selected)
    record = folder / f"{architecture}-{key[:12]}.json"
    if not record.is_file():
        _build(toolchain, libraries, selected, record)
        remember(KIND, key, {"sha256": read_bundle(record)[0].sha256})
    bundle, archive = read_bundle(record)
    if (recall(KIND, key) or {}).get("sha256") != bundle.sha256:
        _check_content(toolchain, libraries, selected, record)
        remember(KIND, key, {"sha256": bundle.sha256})
    return bundle, archive


def known_bundles(folder: Path | None = None) -> list[Bundle]:
    """The bundles that were built on this host and have a readable record; their archives may be gone."""
    found = []
    for record in sorted((folder or default_folder()).glob("*.json")):
        with suppress(BadFile):
            found.append(load_record(record, Bundle, "a bundle's record", MAX_RECORD_BYTES))
    return found


def read_bundle(record: Path) -> tuple[Bundle, Path]:
    """A bundle by its JSON file, and the path of its archive. Raises BundleError unless it is what was built."""
    remedy = f"remove {record} and build it anew: latkit agent build"
    try:
        bundle = load_record(record, Bundle, "the description of a bundle", MAX_RECORD_BYTES)
    except BadFile as error:
        raise BundleError(f"{error}; {remedy}") from error
    archive = record.with_name(bundle.file)
    found = sha256_of(archive) if archive.is_file() else "no file"
    if found != bundle.sha256:
        raise BundleError(f"expected {archive} with the SHA-256 {bundle.sha256}, but found {found}; {remedy}")
    return bundle, archive


def _check_content(
    toolchain: Toolchain, libraries: Mapping[str, Path], selected: Mapping[str, Pin], record: Path
) -> None:
    """Raise BundleError unless a bundle that this user has not built contains exactly what this user's build would."""
    bundle, archive = read_bundle(record)
    with tempfile.TemporaryDirectory() as temporary:
        program = _compiled(toolchain, Path(temporary))
    expected = {f"lib/{name}": sha256_of(path) for name, path in libraries.items()}
    expected |= {pin.place: pin.library_sha256[toolchain.architecture] for pin in selected.values()}
    expected[AGENT] = hashlib.sha256(program).hexdigest()
    try:
        with tarfile.open(archive) as opened:
            found = {entry.name: _hash_of_member(opened, entry) for entry in opened}
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        found = {archive.name: one_line(str(error))}
    if not expected == found == bundle.files or bundle.architecture != toolchain.architecture:
        strange = next((name for name in {**found, **bundle.files} if found.get(name) != expected.get(name)), "less")
        raise BundleError(
            f"expected {archive} to hold what latkit puts into it, but found {strange!r} in it; "
            f"remove {record} and build it anew: latkit agent build --arch {toolchain.architecture}"
        )


def _hash_of_member(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    file = archive.extractfile(entry) if entry.isreg() else None
    return hashlib.file_digest(file, "sha256").hexdigest() if file else "no file"  # type: ignore[arg-type]


def _compiled(toolchain: Toolchain, folder: Path) -> bytes:
    toolchain.compile(folder / AGENT, {pin.macro: pin.version for pin in pins().values() if pin.macro})
    return (folder / AGENT).read_bytes()


def _key(toolchain: Toolchain, libraries: Mapping[str, Path], selected: Mapping[str, Pin]) -> str:
    """Hash of all inputs of a bundle."""
    files = sorted(NATIVE_SOURCES.rglob("*.[ch]"))
    sources = {path.relative_to(NATIVE_SOURCES).as_posix(): sha256_of(path) for path in files}
    parts = {name: sha256_of(path) for name, path in libraries.items()}
    compiler = sha256_of(Path(toolchain.compiler))
    return digest([toolchain.architecture, compiler, sources, parts, {n: p.model_dump() for n, p in selected.items()}])


def _build(toolchain: Toolchain, libraries: Mapping[str, Path], selected: Mapping[str, Pin], record: Path) -> None:
    """Build a bundle, and write it and its record, the record last."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=record.parent) as temporary:
        files = {f"lib/{name}": path.read_bytes() for name, path in libraries.items()}
        files |= runtime_libraries(toolchain.architecture, selected, Path(temporary))
        files[AGENT] = _compiled(toolchain, Path(temporary))
    content = packed(files)
    bundle = Bundle(
        architecture=toolchain.architecture,
        runtimes={name: f"{pin.package} {pin.version}" for name, pin in selected.items()},
        file=record.with_suffix(".tar.gz").name,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        files={name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    )
    with atomic_write(record.with_name(bundle.file)) as archive:
        archive.write_bytes(content)
    write_record(record, bundle.model_dump(mode="json"), indent=2)


def packed(files: Mapping[str, bytes]) -> bytes:
    """Files as a gzipped tar file of programs: the same bytes for the same files, on every host and at any time."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=out, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def runtime_libraries(architecture: str, selected: Mapping[str, Pin], folder: Path) -> dict[str, bytes]:
    """The runtimes' libraries from their wheels, by path in the bundle. `folder` is empty and temporary.

    Raises BundleError, also for a wheel with another hash, which pip refuses.
    """
    lines = [
        f"{pin.package}=={pin.version} --hash=sha256:{pin.wheel_sha256[architecture]}" for pin in selected.values()
    ]
    wheels = folder / "wheels"
    platforms = sorted({f"{pin.platform}_{architecture}" for pin in selected.values()})
    major, minor = next(pin.python for pin in selected.values()).split(".")
    problem = download(lines, wheels, (int(major), int(minor)), platforms)
    if problem:
        raise BundleError(f"could not fetch the pinned wheels for {architecture}: {problem}")
    return {pin.place: _member(wheels, pin) for pin in selected.values()}


def _member(wheels: Path, pin: Pin) -> bytes:
    name = pin.package.replace("-", "_")
    with zipfile.ZipFile(next(wheels.glob(f"{name}-{pin.version}-*.whl"))) as wheel:
        return wheel.read(pin.library)
