"""Pages of targets, searches and profiles, made when they are opened, and the files that they link to."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from latkit._io import naming_extras, read_bytes
from latkit.errors import UsageError
from latkit.layout import REPORT_FILE, FittedModels
from latkit.profiling.profile import Profile
from latkit.serve.view import PAGE
from latkit.targets import Target, check_name

DOWNLOADS = (
    "network.onnx",
    "network.tflite",
    "weights.safetensors",
    "architecture.json",
    "recipe.json",
    "result.json",
)
"""Files of a search that its report links to."""
MAX_DOWNLOAD_BYTES = 2**30


class NotThere(Exception):
    """There is nothing at an address."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to save."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Reports:
    """Finds and makes what an address names. Only names that latkit itself gives are looked up."""

    workspace: FittedModels
    _making: threading.Lock = field(default_factory=threading.Lock)

    def at(self, parts: list[str]) -> bytes | Download:
        """The page or file at an address below the token. Raises NotThere, and LatkitError where it cannot be made."""
        try:
            match parts:
                case [page] if page == PAGE:
                    return self._about(None, self.workspace.root)
                case ["search", name, page] if page == PAGE:
                    return self._search(self._folder("search", check_name(name, "a search")))
                case ["search", name, file] if file in DOWNLOADS:
                    path = self._folder("search", check_name(name, "a search")) / file
                    return Download(file, read_bytes(self._inside(path), "a file", MAX_DOWNLOAD_BYTES))
                case ["measurements", device, target, page] if page == PAGE:
                    return self._about(self._target(device, target), self._folder("measurements", device, target))
                case ["measurements", device, target, "profiles", stem, page] if page == PAGE:
                    self._target(device, target)
                    folder = self._folder("measurements", device, target, "profiles")
                    return self._profile(self._inside(folder / f"{check_name(stem, 'a profile')}.json"))
        except UsageError as error:
            raise NotThere(str(error)) from error
        raise NotThere("/".join(parts))

    def _target(self, device: str, name: str) -> Target:
        target = Target.parse(f"{check_name(device, 'a device')}/{name}")
        if str(target) != f"{device}/{name}":
            raise NotThere(f"{device}/{name}")
        return target

    def _folder(self, *names: str) -> Path:
        path = self._inside(self.workspace.root.joinpath(*names))
        if not path.is_dir():
            raise NotThere("/".join(names))
        return path

    def _inside(self, path: Path) -> Path:
        """The path, unless a link leads out of the workspace."""
        if not path.resolve().is_relative_to(self.workspace.root.resolve()):
            raise NotThere(path.name)
        return path

    def _search(self, folder: Path) -> bytes:
        """The report that the search has written, or one of what there is so far."""
        stored = self._inside(folder / REPORT_FILE)
        if stored.is_file():
            return read_bytes(stored, "a report")
        return self._about(folder.name, folder)

    def _about(self, subject: Target | str | None, folder: Path) -> bytes:
        with self._making, naming_extras():
            from latkit.report.write import page_about

            return page_about(self.workspace, subject, folder).encode()

    def _profile(self, path: Path) -> bytes:
        if not path.is_file():
            raise NotThere(path.name)
        with self._making, naming_extras():
            from latkit.report.profile_page import profile_page

            return profile_page([Profile.load(path)]).encode()
