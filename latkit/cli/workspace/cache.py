"""`latkit cache`: what latkit keeps on this machine between commands, and how to make room."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit._io.cache import cache_root
from latkit.cli.console import emit_json, say, show_table
from latkit.cli.options import AsJson

app = typer.Typer(help="Exported models and agents kept on this machine; everything in it can be made again.")


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show where the cache is, and how much each part of it takes."""
    from latkit.artifacts.cache_limit import cache_limit
    from latkit.artifacts.cache_size import cached_files, parts_of, size_text

    root, limit = cache_root(), cache_limit()
    files = cached_files(root)
    parts = parts_of(root, files)
    total = sum(file.size for file in files)
    if as_json:
        document = [{"name": part.name, "files": part.files, "bytes": part.size} for part in parts]
        emit_json({"folder": str(root), "bytes": total, "limit_bytes": limit, "parts": document})
        return
    if parts:
        show_table("cache", [{"part": part.name, "files": part.files, "size": size_text(part.size)} for part in parts])
    allowed = "no limit" if limit is None else f"limit {size_text(limit)}"
    say(f"{root}: {size_text(total)}, {allowed} (LATKIT_CACHE_LIMIT)")


@app.command()
def clear(
    limit: Annotated[
        str, typer.Option("--limit", metavar="SIZE", help="Keep the files used last, up to this much: 500MB, 2GB.")
    ] = "0",
    as_json: AsJson = False,
) -> None:
    """Remove the files that were not used for longest, until the rest is within the limit. By default all.

    What running commands use is kept. Commands that fill the cache keep it within LATKIT_CACHE_LIMIT by themselves.
    """
    from latkit.artifacts.cache_limit import remove_unused, used_since
    from latkit.artifacts.cache_size import cached_files, parse_size, size_text

    root = cache_root()
    removed = remove_unused(root, parse_size(limit))
    since = used_since(root)
    freed = sum(file.size for file in removed)
    in_use = [file for file in cached_files(root) if file.used_at >= since]
    if as_json:
        emit_json({"folder": str(root), "removed": len(removed), "bytes": freed, "in_use": len(in_use)})
        return
    in_use_note = f"; {len(in_use)} files that running commands use are kept" if in_use else ""
    say(f"{root}: removed {len(removed)} files, {size_text(freed)}{in_use_note}")
