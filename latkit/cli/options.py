"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latkit._io import MAX_SEED, check_writable
from latkit.errors import UsageError

VERBOSE = "LATKIT_VERBOSE"
"""The environment variable behind --verbose."""

INPUTS, TIMING, VARIATION, DEVICE, OUTPUT = "Inputs", "What is timed", "Variations of the space", "Device", "Output"
GOALS, SETTINGS = "What is searched for", "Settings of the search"
"""Groups of options in --help."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=OUTPUT)]
TargetName = Annotated[
    str, typer.Argument(metavar="TARGET", help="Device, runtime and settings, such as pi4/tflite-t4.")
]
TargetNames = Annotated[
    list[str], typer.Argument(metavar="TARGET...", help="Device, runtime and settings, such as pi4/tflite-t4.")
]
SpaceName = Annotated[str, typer.Option("--space", help="A built-in search space, or a TOML file.")]
SpaceArgument = Annotated[str, typer.Argument(metavar="SPACE", help="A built-in search space, or a TOML file.")]
ModelKind = Annotated[
    str, typer.Option("--model", help="Kind of latency model: lookup, xgboost, transfer, or another that is installed.")
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--from", metavar="TARGET", help="A target that was collected before, to learn from; repeat for more."
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option(
        "--max-seconds", min=1, help="Stop measuring after so long; run again to go on.", rich_help_panel=TIMING
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        metavar="SECONDS",
        help="Wait so long for a device in use; inf: for ever.",
        rich_help_panel=DEVICE,
    ),
]
Pin = Annotated[
    str | None,
    typer.Option(
        "--cores",
        "--pin",
        metavar="CORES",
        help="Cores to run on: 0, 0-3, 0xF0, big or little.",
        rich_help_panel=DEVICE,
    ),
]
MaxCelsius = Annotated[
    float | None,
    typer.Option(
        "--max-celsius",
        help="Pause while a sensor is hotter. Default: short of the device's trip points.",
        rich_help_panel=DEVICE,
    ),
]
InputShapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=SIZES",
        help="Shape of an ONNX file's input, such as input=1,3,224,224.",
        rich_help_panel=INPUTS,
    ),
]
BenchmarkTool = Annotated[
    Path | None,
    typer.Option(
        "--benchmark-tool",
        help="Measure with this benchmark_model of TFLite's, built for the device: tflite only.",
        rich_help_panel=DEVICE,
    ),
]
BenchmarkFlags = Annotated[
    list[str] | None,
    typer.Option(
        "--benchmark-flag",
        metavar="NAME=VALUE",
        help="A flag for it, such as use_gpu=true; repeat for more.",
        rich_help_panel=DEVICE,
    ),
]
Rounds = Annotated[
    int,
    typer.Option("--rounds", min=1, help="Short rounds per op or network, spread over time.", rich_help_panel=TIMING),
]
ExtraRounds = Annotated[
    int,
    typer.Option(
        "--extra-rounds",
        min=0,
        help="Maximum number of extra rounds for what has not converged.",
        rich_help_panel=TIMING,
    ),
]
RoundSeconds = Annotated[
    float, typer.Option("--round-seconds", min=0.001, help="Length of a round.", rich_help_panel=TIMING)
]
Rebaseline = Annotated[
    bool,
    typer.Option(
        "--rebaseline",
        help="Measure everything again: the device has changed its speed for good.",
        rich_help_panel=TIMING,
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="NAME",
        help="A finished search whose network the found one learns from too.",
        rich_help_panel=SETTINGS,
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of everything drawn.", rich_help_panel=SETTINGS)]
Resolution = Annotated[
    int | None, typer.Option("--resolution", help="The space's input resolution in pixels.", rich_help_panel=VARIATION)
]
Width = Annotated[
    float | None, typer.Option("--width", help="The space's width multiplier.", rich_help_panel=VARIATION)
]
Classes = Annotated[
    int | None, typer.Option("--classes", help="The space's number of classes.", rich_help_panel=VARIATION)
]
Channels = Annotated[
    int | None,
    typer.Option(
        "--channels", help="Channels of proxyless-tiny's images: 1 is gray, 3 colored.", rich_help_panel=VARIATION
    ),
]


def workspace_folder(context: typer.Context) -> Path:
    """The folder that --workspace names."""
    folder = context.obj
    assert isinstance(folder, Path)
    return folder


def given_parameters(context: typer.Context) -> dict[str, str]:
    """What the command line names, by parameter: the option as it is spelled, or the argument's name."""
    found: dict[str, str] = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            metavar = str(getattr(parameter, "metavar", None) or name)
            found[name] = parameter.opts[0] if parameter.param_type_name == "option" else metavar.strip(".")
    return found


def check_output(path: Path, *suffixes: str) -> None:
    """Raise UsageError or WriteError if a file cannot be written, before any work is done for it.

    `suffixes`: those of its format, where that is the only one: then no model or record is replaced by mistake.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise UsageError(f"expected to write a file ending in {' or '.join(suffixes)}, but found {path}")
    if not path.resolve().parent.is_dir():
        raise UsageError(f"expected to write {path}, but the folder {path.parent} does not exist")
    if path.is_dir():
        raise UsageError(f"expected a file to write, but {path} is a folder")
    check_writable(path)
