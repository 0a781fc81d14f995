"""`latkit serve`: a live view of the workspace in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, note, say
from latkit.cli.options import AsJson, workspace_folder

PORT = 8417


def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0: any free one.")] = PORT,
    host: Annotated[str, typer.Option("--host", help="Address to listen at: of this machine only.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool,
        typer.Option(
            "--allow-remote",
            help="Allow a --host that other machines reach. Nothing is encrypted: who sees the traffic sees all.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what runs in the workspace, who holds its devices, and what was found, in the browser, as it changes.

    Open the address that it prints. The page changes nothing. Ctrl-C ends it.
    """
    import sys

    from latkit.layout import FittedModels
    from latkit.serve.address import checked
    from latkit.serve.server import Server

    address = checked(host, allow_remote)
    try:
        with Server(FittedModels(workspace_folder(context)), address, port) as server:
            if as_json:
                emit_json({"url": server.url, "host": address, "port": server.port})
            else:
                say(server.url)
                note("open it in a browser of this machine; Ctrl-C ends the view, and nothing else")
            sys.stdout.flush()
            server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        note("ended")


COMMANDS = (serve,)
