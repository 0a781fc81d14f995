"""folder: this machine, with every command started in a folder, as if that were the user's home."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from latkit.devices.transports import Address, Completed, Stream
from latkit.devices.transports.base import MAX_OUTPUT_BYTES
from latkit.devices.transports.local import LocalTransport
from latkit.errors import UsageError


class InFolder(Address):
    """A folder of this machine."""

    kind: Literal["folder"] = "folder"
    is_this_host = True
    folder: str = Field(pattern="^/")

    def __str__(self) -> str:
        return self.folder

    @classmethod
    def parse(cls, text: str) -> InFolder:
        """Read an absolute path. Raises UsageError."""
        if not text.startswith("/"):
            raise UsageError(f"expected the absolute path of a folder, but found {text!r}")
        return cls(folder=text)

    def connect(self, timeout_s: float = 10.0) -> InFolderTransport:
        """Nothing is opened."""
        return InFolderTransport(self.folder)


class InFolderTransport(LocalTransport):
    """Starts commands by `env`, which changes the folder first."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def run(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        """Run a command in the folder."""
        return super().run(self._inside(argv), timeout_s, stdin, max_bytes)

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command in the folder."""
        return super().start(self._inside(argv))

    def home(self) -> str:
        """The folder."""
        return self._folder

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["env", f"--chdir={self._folder}", *argv]
