"""`latkit cache`: what latkit keeps on this machine between commands, and how to make room."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, say, show_table
from latkit.cli.options import AsJson

app = typer.Typer(help="Exported models and agents kept on this machine; everything in it can be made again.")


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show where the cache is, and how much each part of it takes."""
    from latkit.artifacts.cache_size import cache_root, cached_files, parts_of

    root = cache_root()
    files = cached_files(root)
    parts = parts_of(root, files)
    total = sum(file.size for file in files)
    if as_json:
        document = [{"name": part.name, "files": part.files, "bytes": part.size} for part in parts]
        emit_json({"folder": str(root), "bytes": total, "parts": document})
        return
    if parts:
        show_table("cache", [{"part": part.name, "files": part.files, "size": size_text(part.size)} for part in parts])
    say(f"{root}: {size_text(total)}")


@app.command()
def clear(
    limit: Annotated[
        str, typer.Option("--limit", metavar="SIZE", help="Keep the files used last, up to this much: 500MB, 2GB.")
    ] = "0",
    as_json: AsJson = False,
) -> None:
    """Remove the files that were not used for longest, until the rest is within the limit. By default all."""
    from latkit.artifacts.cache_size import cache_root, clear_cache, parse_size

    root = cache_root()
    removed = clear_cache(root, parse_size(limit))
    freed = sum(file.size for file in removed)
    if as_json:
        emit_json({"folder": str(root), "removed": len(removed), "bytes": freed})
    else:
        say(f"{root}: removed {len(removed)} files, {size_text(freed)}")


def size_text(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1e6:.1f} MB"
