"""Registries: what the package has, what plug-ins add, and plug-ins that are broken or collide."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from latkit._registry import Registry
from latkit.errors import UsageError

GROUP = "latkit.test_things"


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name


OWN = Thing("own")


def install(folder: Path, name: str, entries: dict[str, str], code: str = "") -> None:
    """A distribution of version 1.0 in a folder, with a module of its name and entry points of the group."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", *(f"{key} = {name}:{value}" for key, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.py").write_text(f"from {Thing.__module__} import Thing\n{code}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def registry() -> Registry[Thing]:
    return Registry("thing", GROUP, Thing, {"own": f"{__name__}:OWN"})


def test_what_the_package_and_a_plugin_have_is_found_by_name(folder: Path) -> None:
    install(folder, "adds_one", {"extra": "IT"}, "IT = Thing('extra')\n")
    things = registry()
    assert things.names() == ("extra", "own")
    assert things.get("own") is OWN
    assert things.get("extra") is things.get("extra")
    assert [things.origin(name) for name in things.names()] == ["adds_one 1.0", "latkit"]
    assert {name: thing.name for name, thing in things.items().items()} == {"extra": "extra", "own": "own"}
    with pytest.raises(UsageError, match="unknown thing 'nil'; known things: extra, own"):
        things.get("nil")
    with pytest.raises(UsageError, match="unknown thing 7; known things"):
        things.get(7)
    assert "extra" in things
    assert 7 not in things


def test_a_script_registers_a_name_once(folder: Path) -> None:
    install(folder, "has_one", {"extra": "IT"}, "IT = Thing('extra')\n")
    things = registry()
    mine = things.register("mine", Thing("mine"))
    assert things.get("mine") is mine
    for name, owner in (("own", "latkit"), ("extra", "has_one 1.0"), ("mine", "this process")):
        with pytest.raises(UsageError, match=f"a second thing cannot be named '{name}': {owner} has one"):
            things.register(name, Thing(name))


def test_two_plugins_with_one_name_are_an_error_that_names_both(folder: Path) -> None:
    install(folder, "first_claims", {"same": "IT"}, "IT = Thing('same')\n")
    install(folder, "second_claims", {"same": "IT"}, "IT = Thing('same')\n")
    things = registry()
    expected = "expected one thing named 'same', but (first|second)_claims 1.0 and (first|second)_claims 1.0 both"
    with pytest.raises(UsageError, match=expected):
        things.get("same")
    with pytest.raises(UsageError, match=expected):
        things.items()
    assert things.get("own") is OWN


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import latkit_has_no_such_module\n", "ModuleNotFoundError: No module named 'latkit_has_no_such_module'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise GeneratorExit\n", "GeneratorExit:"),
        ("class Panic(BaseException): pass\nraise Panic('\\x1b[31m')\n", r"Panic: \\x1b\[31m"),
        ("def f(): f()\nf()\n", "RecursionError: maximum recursion depth"),
        ("IT = 'text'\n", "TypeError: expected .*:IT to be of type Thing, but found 'text'"),
        ("IT = Thing('other')\n", "ValueError: expected .*:IT to be named 'bad', but found 'other'"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_reported_once_and_breaks_nothing_else(
    folder: Path, code: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"broken_{abs(hash(code))}"
    install(folder, name, {"bad": "IT"}, code)
    things = registry()
    expected = f"the thing 'bad' of {name} 1.0 cannot be used: {problem}"
    with caplog.at_level(logging.WARNING):
        assert list(things.items()) == ["own"]
        assert list(things.items()) == ["own"]
    (record,) = caplog.records
    assert record.name == "latkit.plugins"
    with pytest.raises(UsageError, match=expected) as caught:
        things.get("bad")
    assert record.getMessage() == str(caught.value)


def test_what_a_plugin_prints_is_not_in_the_document_of_a_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(folder, "prints", {"loud": "IT"}, "print('imported')\nIT = Thing('loud')\n")
    registry().get("loud")
    assert capsys.readouterr() == ("", "imported\n")


def test_a_plugin_does_not_replace_what_the_package_has(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(folder, "replaces", {"own": "IT"}, "IT = Thing('own')\n")
    things = registry()
    assert things.items() == {"own": OWN}
    assert things.names() == ("own",)
    assert [record.getMessage() for record in caplog.records] == [
        "the thing 'own' of replaces 1.0 is not used: latkit has one of that name"
    ]
