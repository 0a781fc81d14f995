"""Registries: objects of one sort by name, those of the package and those that installed plug-ins add."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from latkit._io import did_you_mean, one_line
from latkit.errors import UsageError

T = TypeVar("T")

_LOG = logging.getLogger("latkit.plugins")


class Registry(Generic[T]):
    """Objects by name. Each is imported when it is first needed.

    `builtin` gives the package's own as `name: "module:attribute"`. Plug-ins add to them with an entry point of
    `group`, whose name is the object's name; scripts and notebooks add with `register`. `what` names one object in
    messages, such as "op kind".

    A plug-in that cannot be imported is an error only where its name is requested; `items` reports it once as a
    warning. Two plug-ins that claim one name are an error that names both. A plug-in never replaces an object of the
    package.
    """

    def __init__(self, what: str, group: str, base: type[T], builtin: Mapping[str, str]) -> None:
        self.what, self.group = what, group
        self._base = base
        self._paths = dict(builtin)
        self._loaded: dict[str, T] = {}
        self._plugins: dict[str, list[EntryPoint]] | None = None
        self._broken: dict[str, str] = {}

    def register(self, name: str, item: T) -> T:
        """Add an object under its name, for this process. Raises UsageError where the name is taken."""
        if name in self.names():
            raise UsageError(f"a second {self.what} cannot be named {name!r}: {self.origin(name)} has one of that name")
        self._loaded[name] = item
        return item

    def get(self, name: object) -> T:
        """The object of that name. Raises UsageError, which lists the known names for an unknown one."""
        if isinstance(name, str):
            if name in self._loaded:
                return self._loaded[name]
            if name in self._paths or name in self._found():
                return self._load(name)
        endings = {"y": "ies", "um": "a"}
        ending = next((one for one in endings if self.what.endswith(one)), "")
        plural = self.what.removesuffix(ending) + endings.get(ending, "s")
        known = self.names()
        raise UsageError(
            f"unknown {self.what} {_shown(name)}; known {plural}: {', '.join(known)}{did_you_mean(name, known)}"
        )

    def names(self) -> tuple[str, ...]:
        """Every name, sorted; no plug-in is imported."""
        return tuple(sorted({*self._paths, *self._loaded, *self._found()}))

    def items(self) -> dict[str, T]:
        """Every object by its name. Plug-ins that cannot be imported are left out, and reported once as a warning.

        Raises UsageError where two plug-ins claim one name.
        """
        found: dict[str, T] = {}
        for name in self.names():
            reported = name in self._broken
            try:
                found[name] = self.get(name)
            except UsageError as error:
                if name not in self._broken:
                    raise
                if not reported:
                    _LOG.warning("%s", error)
        return found

    def origin(self, name: str) -> str:
        """What provides the object of that name: `latkit`, a distribution with its version, or `this process`."""
        if name in self._paths:
            return "latkit"
        return " and ".join(map(_distribution, self._found().get(name, []))) or "this process"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._loaded or name in self._paths or name in self._found())

    def _found(self) -> dict[str, list[EntryPoint]]:
        """The entry points of the group by name, looked up once."""
        if self._plugins is None:
            self._plugins = {}
            for entry in entry_points(group=self.group):
                if entry.name in self._paths:
                    _LOG.warning(
                        "the %s %r of %s is not used: latkit has one of that name",
                        self.what,
                        one_line(entry.name, 80),
                        _distribution(entry),
                    )
                else:
                    self._plugins.setdefault(entry.name, []).append(entry)
        return self._plugins

    def _load(self, name: str) -> T:
        if name in self._paths:
            module, attribute = self._paths[name].split(":")
            self._loaded[name] = getattr(import_module(module), attribute)
            return self._loaded[name]
        if name not in self._broken:
            entries = self._found()[name]
            if len(entries) > 1:
                raise UsageError(
                    f"expected one {self.what} named {name!r}, but {self.origin(name)} both provide one; uninstall one"
                )
            try:
                with redirect_stdout(sys.stderr):  # stdout is for the document of a command
                    self._loaded[name] = self._import(entries[0])
                return self._loaded[name]
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a plug-in may raise anything
                self._broken[name] = one_line(f"{type(error).__name__}: {error}")
        raise UsageError(f"the {self.what} {name!r} of {self.origin(name)} cannot be used: {self._broken[name]}")

    def _import(self, entry: EntryPoint) -> T:
        item = entry.load()
        if not isinstance(item, self._base):
            raise TypeError(f"expected {entry.value} to be of type {self._base.__name__}, but found {_shown(item)}")
        if (name := getattr(item, "name", entry.name)) != entry.name:
            raise ValueError(f"expected {entry.value} to be named {entry.name!r}, but found {_shown(name)}")
        return item


def _distribution(entry: EntryPoint) -> str:
    """The name and version of the distribution that has an entry point."""
    return one_line(f"{entry.dist.name} {entry.dist.version}", 80) if entry.dist else "an unnamed distribution"


def _shown(value: object, max_chars: int = 80) -> str:
    try:
        return one_line(repr(value), max_chars)
    except ValueError:  # an integer of thousands of digits
        return f"a value of type {type(value).__name__}"
