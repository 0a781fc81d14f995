"""Wheels installed on devices: exact versions with known hashes, whatever the user's pip configuration."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from latkit.devices.provisioning import wheels as wheeling
from latkit.devices.provisioning.pip import isolated
from latkit.devices.provisioning.wheels import GLIBC, Interpreter, Pins, fetch, pins
from latkit.devices.transports import Completed
from latkit.devices.transports.base import sha256_of
from latkit.devices.transports.local import LocalTransport
from latkit.errors import DeviceError, UsageError

BOARD = Interpreter("/usr/bin/python3", (3, 11), "aarch64", (2, 36))


def wheel(folder: Path, name: str, content: str) -> str:
    """A wheel for any Python in that folder; its hash."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", content)
        file.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return sha256_of(path)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels in place of PyPI, of which `one` is pinned, and another one in the user's configuration."""
    hashes = {"one==1.0": [wheel(tmp_path / "pypi", "one", "mine")]}
    wheel(tmp_path / "other", "one", "another's")
    sets = {f"cp311-aarch64-glibc2.{GLIBC[0]}": {"onnxruntime": ["one==1.0"]}}
    monkeypatch.setattr(wheeling, "pins", lambda: Pins(hashes=hashes, sets=sets))
    monkeypatch.setenv("LATKIT_PYPI", str(tmp_path / "pypi"))
    return tmp_path / "pypi"


def test_the_pinned_wheels_are_fetched(published: Path, tmp_path: Path) -> None:
    (found,) = fetch(BOARD, ["onnxruntime"], tmp_path)
    assert sha256_of(found) == sha256_of(published / found.name)


def test_a_wheel_of_another_hash_is_refused_in_one_line(published: Path, tmp_path: Path) -> None:
    wheel(published, "one", "changed on its way")
    with pytest.raises(DeviceError, match=r"fetch the wheels of onnxruntime for Python 3\.11 on aarch64") as no:
        fetch(BOARD, ["onnxruntime"], tmp_path)
    assert "\n" not in str(no.value)
    assert "HASH" in str(no.value).upper()


def test_the_users_configuration_of_pip_is_ignored(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nno-index = true\nfind-links = {tmp_path / 'other'}\nno-binary = :all:\n")
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(config.read_text())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "other"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    (found,) = fetch(BOARD, ["onnxruntime"], tmp_path)
    assert sha256_of(found) == sha256_of(published / found.name)


def test_the_environment_of_pip() -> None:
    command, environment = isolated(
        "download", {"PIP_INDEX_URL": "x", "PIP_CERT": "/ca", "HOME": "/h", "https_proxy": "p"}
    )
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "--isolated"]
    assert environment == {
        "HOME": "/h",
        "https_proxy": "p",
        "PIP_CONFIG_FILE": os.devnull,
        "REQUESTS_CA_BUNDLE": "/ca",
    }
    assert not any("index" in word for word in command)
    assert "--index-url=https://mirror" in isolated("download", {"LATKIT_PYPI": "https://mirror"})[0]


@pytest.mark.parametrize("python", [(3, 7), (3, 99)])
def test_a_python_for_which_nothing_is_pinned(python: tuple[int, int], tmp_path: Path) -> None:
    message = rf"knows no wheels of onnxruntime for Python 3\.{python[1]} on aarch64 with glibc 2\.36; .* by hand"
    with pytest.raises(DeviceError, match=message):
        fetch(Interpreter("python3", python, "aarch64", (2, 36)), ["onnxruntime"], tmp_path)
    with pytest.raises(DeviceError, match="knows no wheels"):
        fetch(Interpreter("python3", (3, 11), "aarch64", (2, 17)), ["onnxruntime"], tmp_path)
    with pytest.raises(UsageError, match="unknown runtime 'x'"):
        fetch(BOARD, ["x"], tmp_path)


def test_every_pin_has_hashes() -> None:
    known = pins()
    assert {"cp311-aarch64-glibc2.28", "cp311-x86_64-glibc2.28", "cp38-aarch64-glibc2.28"} <= set(known.sets)
    for key, runtimes in known.sets.items():
        assert {"onnxruntime", "tflite"} <= set(runtimes), key
        together = {*runtimes["onnxruntime"], *runtimes["tflite"]}
        assert len({name.partition("==")[0] for name in together}) == len(together), key
        for names in runtimes.values():
            assert any(name.startswith("pip==") for name in names)
            assert all(known.hashes[name] and all(len(one) == 64 for one in known.hashes[name]) for name in names)


ANSWER = (
    '{"python": "/p", "version": [3, 11], "implementation": "CPython", "machine": "aarch64", "bits": 64, "glibc": "%s"}'
)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "to tell its version"),
        ("[" * 5000, "to tell its version"),
        ("{}", "to tell its version"),
        (ANSWER.replace("/p", "p"), "to tell its version"),
        (ANSWER.replace("/p", "/p\\u0000"), "to tell its version"),
        (ANSWER.replace("[3, 11]", "[3]"), "to tell its version"),
        (ANSWER.replace("aarch64", "a" * 100_000), "to tell its version"),
        (ANSWER % "", "the C library of another kind on aarch64; install the runtime there by hand"),
        (ANSWER % "2.99999999999", "with the C library 2.99999999999"),
        (ANSWER % "2.36", None),
        ((ANSWER % "2.36").replace("CPython", "PyPy"), "but found PyPy"),
        ((ANSWER % "2.36").replace("aarch64", "armv7l"), "on armv7l"),
        ((ANSWER % "2.36").replace('"bits": 64', '"bits": 32'), "on armv7l"),
    ],
)  # fmt: skip
def test_what_a_device_may_answer(answer: str, message: str | None) -> None:
    class Answering(LocalTransport):
        def run(self, argv, timeout_s: float, stdin: bytes = b"") -> Completed:
            return Completed(0, answer.encode(), b"")

    if message is None:
        assert Interpreter.query(Answering(), "python3").glibc == (2, 36)
        return
    with pytest.raises(DeviceError, match=message) as caught:
        Interpreter.query(Answering(), "python3")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
