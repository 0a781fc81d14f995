"""The request of a search, saved in its folder: `latkit search --resume --name NAME` needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from latkit._io import make_folder, read_bytes, write_bytes
from latkit.errors import LatkitError, UsageError
from latkit.layout import Folders
from latkit.search.records.base import Record, load_record
from latkit.workspace.requests.search import BenchmarkSearchRequest, SearchRequest

REQUEST_FILE = "request.json"
"""In the folder of a search, or of a series of searches."""
CALLED = "the request of a search"

AnySearch = SearchRequest | BenchmarkSearchRequest


class SavedRequest(Record):
    """What was asked for: a search on targets, or a replay on a benchmark's table."""

    format: Literal["latkit-search-request-1"] = "latkit-search-request-1"
    search: SearchRequest | None = None
    benchmark: BenchmarkSearchRequest | None = None

    @classmethod
    def of(cls, request: AnySearch) -> SavedRequest:
        """The record of a request, which is to be resumed, and waits for no device."""
        if isinstance(request, SearchRequest):
            return cls(search=request.model_copy(update={"resume": True, "wait_s": 0.0}))
        return cls(benchmark=request.model_copy(update={"resume": True}))


@contextmanager
def saving_request(folders: Folders, request: AnySearch) -> Iterator[None]:
    """Save the request of a search while it runs. A search that ends before it changes its folder changes nothing."""
    folder = folders.search_dir(request.name)
    path, is_new = folder / REQUEST_FILE, not folder.exists()
    content = read_bytes(path, CALLED) if path.exists() else None
    make_folder(folder)
    before = _others(folder)
    SavedRequest.of(request).save(path)
    try:
        yield
    except LatkitError:
        if _others(folder) == before:
            _restore(path, content)
            if is_new:
                folder.rmdir()
        raise


def _others(folder: Path) -> dict[str, int]:
    """The times of all other files of a search."""
    return {one.name: one.lstat().st_mtime_ns for one in folder.iterdir() if one.name != REQUEST_FILE}


def _restore(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_bytes(path, content)


def saved_request(folders: Folders, name: str) -> AnySearch:
    """The request of a search, to be resumed. Raises UsageError where there is none, and BadFile."""
    path = folders.search_dir(name) / REQUEST_FILE
    if not path.exists():
        raise UsageError(
            f"expected {CALLED} at {path}, but found none; to go on with a search of an earlier latkit, give its full "
            "command again, with --resume"
        )
    saved = load_record(SavedRequest, path, CALLED)
    request = saved.search or saved.benchmark
    if request is None or request.name != name:
        found = "no request" if request is None else f"that of {request.name}"
        raise UsageError(f"expected {CALLED} {name} in {path}, but found {found}; give its full command with --resume")
    return request
