"""An example of every command, shown below its --help."""

from __future__ import annotations

from collections.abc import Iterator

import typer

EXAMPLES = {
    "init": "latkit init my-workspace",
    "profile": "latkit profile here/onnxruntime model.onnx",
    "fit": "latkit fit pi4/tflite-t4 --space proxyless-mobile",
    "validate": "latkit validate pi4/tflite-t4 --space proxyless-mobile --networks 50",
    "predict": "latkit predict pi4/tflite-t4 network.json",
    "search": "latkit search pi4/tflite-t4 --space proxyless-tiny --data digits --latency-ms 0.3 --name first",
    "train-supernet": "latkit train-supernet --space ofa-tiny --data digits --channels 1 -o base",
    "specialize": "latkit specialize base pi4/tflite-t4 pi4/onnxruntime --latency-ms 0.3 --latency-ms 0.5",
    "quantize": "latkit quantize pi4/tflite-t4 first --latency-ms 0.2",
    "reproduce": "latkit reproduce first",
    "compare": "latkit compare first second --target pi4/tflite-t4 --zoo",
    "report": "latkit report first -o first.html",
    "serve": "latkit serve --port 0",
    "demo": "latkit demo latkit-demo",
    "device add": "latkit device add pi4 --ssh me@pi4.local",
    "device list": "latkit device list",
    "device show": "latkit device show pi4",
    "device doctor": "latkit device doctor pi4 --install",
    "strategies": "latkit strategies",
    "target list": "latkit target list",
    "space list": "latkit space list",
    "space show": "latkit space show proxyless-mobile --resolution 160",
    "cache show": "latkit cache show",
    "cache clear": "latkit cache clear --limit 2GB",
    "device trust": "latkit device trust pi4",
    "device remove": "latkit device remove pi4",
    "agent build": "latkit agent build --arch aarch64",
    "collect space": "latkit collect space pi4/tflite-t4 --space proxyless-mobile --networks 20",
    "collect kernels": "latkit collect kernels pi4/onnxruntime --count 400",
    "collect model": "latkit collect model pi4/onnxruntime model.onnx",
    "measurements export": "latkit measurements export pi4/tflite-t4 -o pi4.parquet",
    "measurements import": "latkit measurements import pi4.parquet",
    "measurements repair": "latkit measurements repair pi4/tflite-t4",
    "table export": "latkit table export pi4/tflite-t4 --space proxyless-mobile -o table.json",
    "table import": "latkit table import published.yaml --device pixel1",
}
"""One line per command, by its name without `latkit`."""


def add_examples(app: typer.Typer) -> None:
    """Put the examples below the commands' help."""
    for name, info, function in commands(app):
        text = (info.help or function or "").strip()
        if name in EXAMPLES and "Example" not in text:
            info.epilog = f"Example: {EXAMPLES[name]}"


def commands(app: typer.Typer, prefix: str = "") -> Iterator[tuple[str, typer.models.CommandInfo, str]]:
    """Every command by its name without `latkit`, how it is registered, and its function's docstring."""
    for info in app.registered_commands:
        function = info.callback
        name = info.name or (function.__name__.replace("_", "-") if function else "")
        yield prefix + name, info, (function.__doc__ or "") if function else ""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{prefix}{group.name} ")
