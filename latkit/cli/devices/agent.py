"""`latkit agent`: the native agent, for devices without Python."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, note, show_facts
from latkit.cli.options import AsJson

app = typer.Typer(help="Build the native agent, for devices without Python.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Build the native agent, for devices without Python."""


@app.command()
def build(
    arch: Annotated[str, typer.Option(metavar="aarch64|x86_64", help="The device's processor: its uname -m.")],
    runtime: Annotated[
        list[str] | None, typer.Option(help="Runtime to put in; may be given again. Default: all that there are.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build what is sent to a device without Python: agent, loader, C library and runtimes, as one archive."""
    from latkit.devices.provisioning.bundle import bundle_for

    note(f"building the agent's bundle for {arch}, unless it is in the cache")
    bundle, archive = bundle_for(arch, runtime or ())
    if as_json:
        emit_json({**bundle.model_dump(mode="json"), "path": str(archive)})
        return
    facts = {
        "archive": str(archive),
        "size": f"{bundle.bytes / 1e6:.1f} MB",
        "sha256": bundle.sha256,
        "runtimes": ", ".join(bundle.runtimes.values()),
    }
    show_facts(f"agent for {arch}", facts)
