"""`latkit device`: register phones, boards and machines, and maintain them."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import emit_json, note, say, show_facts, show_table
from latkit.cli.options import AsJson, workspace_folder
from latkit.errors import UsageError

app = typer.Typer(help="Register devices, and look after them.", no_args_is_help=True)

COLUMNS = ("name", "address", "model", "cores", "runtimes", "used by", "quarantine")
"""Of the list of devices."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The device's name.")]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    local: Annotated[bool, typer.Option("--local", help="This machine.")] = False,
    ssh: Annotated[
        str | None, typer.Option(metavar="[USER@]HOST[:PORT]", help="A machine reached by SSH, or an alias.")
    ] = None,
    adb: Annotated[
        str | None, typer.Option(metavar="SERIAL|HOST:PORT", help="A phone, as adb devices shows it, or over TCP.")
    ] = None,
    transport: Annotated[
        tuple[str, str] | None,
        typer.Option("--transport", metavar="KIND ADDRESS", help="A device reached by the transport of a plug-in."),
    ] = None,
    ssh_config: Annotated[
        str | None, typer.Option(metavar="FILE", help="SSH configuration in place of ~/.ssh/config.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter on the device that runs the agent.")] = None,
    agent: Annotated[
        str | None,
        typer.Option(metavar="native|python", help="Which agent it runs. Default: python where there is Python."),
    ] = None,
    agent_folder: Annotated[
        str | None, typer.Option(metavar="DIR", help="Absolute path on the device for the agent and its models.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Probe a device, write its file under devices/, and print what was found."""
    from latkit.devices import Adb, Address, Local, Ssh, get_transport
    from latkit.devices.device_info import describe
    from latkit.workspace.requests import AddDeviceRequest
    from latkit.workspace.target_verbs import TargetVerbs

    if [local, ssh is not None, adb is not None, transport is not None].count(True) != 1:
        raise UsageError(
            "expected one of --local, --ssh [USER@]HOST[:PORT], --adb SERIAL, --adb HOST:PORT and "
            "--transport KIND ADDRESS"
        )
    address: Address = Local() if ssh is None else Ssh.parse(ssh, ssh_config)
    if adb is not None:
        address = Adb.parse(adb)
    if transport is not None:
        address = get_transport(transport[0]).parse(transport[1])
    if agent not in (None, "native", "python") or (agent == "native" and python):
        raise UsageError("expected --agent native, or --agent python and perhaps --python with it")
    # This machine runs the agent as it runs latkit, with the runtimes installed in the same environment.
    interpreter = python or ("python3" if agent == "python" and not local else None)
    request = AddDeviceRequest(
        name=name, address=address, python=interpreter, native=agent == "native", agent_folder=agent_folder
    )
    device = TargetVerbs(workspace_folder(context)).add_device(request)
    if as_json:
        emit_json(device.model_dump(mode="json"))
        return
    show_facts(f"device {name}", describe(device))
    runtime = next(iter(device.runtimes), None)
    if runtime:
        say(f"next: latkit profile {name}/{runtime} MODEL, or latkit collect space {name}/{runtime} --space SPACE")
    else:
        say(f"no runtime on it yet; next: latkit device doctor {name} --install")


@app.command(name="list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the registered devices, and those that published tables were imported for."""
    from latkit.layout import imported_devices
    from latkit.workspace.target_verbs import TargetVerbs

    workspace = TargetVerbs(workspace_folder(context))
    states, imported = workspace.devices(), imported_devices(workspace)
    if as_json:
        emit_json([state.document for state in states])  # imported tables: latkit target list
    elif not (states or imported):
        say("no devices yet; add one with: latkit device add NAME --local")
    else:
        rows: list[dict[str, str | int | float | None]] = [
            dict(
                zip(
                    COLUMNS,
                    (
                        state.device.name,
                        str(state.device.transport),
                        state.device.facts.model,
                        len(state.device.facts.cores),
                        ", ".join(state.device.shown_runtimes()) or "none",
                        state.used_by,
                        state.quarantine,
                    ),
                    strict=True,
                )
            )
            for state in states
        ]
        rows += [
            dict(zip(COLUMNS, (name, f"imported: {source}", *[None] * 5), strict=True))
            for name, source in imported.items()
        ]
        show_table("devices", rows)


@app.command()
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show what is known of a device."""
    from latkit.devices.device_info import describe
    from latkit.workspace.target_verbs import TargetVerbs

    (state,) = TargetVerbs(workspace_folder(context)).devices(name)
    if as_json:
        emit_json(state.document)
        return
    more = {"used by": state.used_by, "quarantine": state.quarantine}
    facts = {**describe(state.device), **{label: value for label, value in more.items() if value}}
    show_facts(f"device {name}", facts)


@app.command()
def doctor(
    context: typer.Context,
    name: Name,
    install: Annotated[
        bool, typer.Option("--install", help="Put what the agent lacks on the device; it needs no internet.")
    ] = False,
    runtime: Annotated[
        list[str] | None, typer.Option(help="Runtime to install; may be given again. Default: onnxruntime, tflite.")
    ] = None,
    precisions: Annotated[
        bool, typer.Option("--precisions", help="Probe which precisions its runtimes execute, and how fast.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine a device: each failing check with its remedy. Exits with 1 when a check fails."""
    from latkit.devices.provisioning.wheels import default_runtimes
    from latkit.progress import Callbacks
    from latkit.workspace.requests import DoctorRequest
    from latkit.workspace.target_verbs import TargetVerbs

    requested = tuple(runtime or default_runtimes()) if install else ()
    request = DoctorRequest(name=name, install=requested, precisions=precisions)
    checks = TargetVerbs(workspace_folder(context)).doctor(request, Callbacks(on_message=note))
    if as_json:
        emit_json([{"name": c.name, "ok": c.ok, "found": c.found, "remedy": c.remedy} for c in checks])
    else:
        labels = {True: "ok", False: "FAILS", None: "unknown"}
        show_table(
            f"device {name}",
            [{"point": c.name, "": labels[c.ok], "found": c.found, "remedy": c.remedy} for c in checks],
        )
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


@app.command()
def trust(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Confirm what a device file names on this machine: the interpreter of a local device, or an SSH configuration.

    For a workspace that comes from elsewhere; devices added here are confirmed already.
    """
    from latkit.workspace.target_verbs import TargetVerbs

    named = TargetVerbs(workspace_folder(context)).trust(name)
    if as_json:
        emit_json([{"what": one.what, "path": str(one.path), "sha256": one.sha256} for one in named])
    elif not named:
        say(f"{name} names nothing on this machine that needs to be confirmed")
    for one in () if as_json else named:
        say(f"confirmed for {name}: {one}")


@app.command()
def remove(
    context: typer.Context,
    name: Name,
    keep_files: Annotated[bool, typer.Option("--keep-files", help="Leave the agent's folder on the device.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a device and remove from it what latkit put there. Its measurements stay."""
    from latkit.workspace.target_verbs import TargetVerbs

    trouble = TargetVerbs(workspace_folder(context)).remove_device(name, keep_files)
    if trouble:
        note(f"{name} is forgotten, but its files are still on it: {trouble}")
    if as_json:
        emit_json({"removed": name, "files_removed": not (trouble or keep_files)})
    else:
        say(f"removed {name}")
