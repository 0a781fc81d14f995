"""Commands for the golden workspace: they measure nothing, and so give the same document every time."""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, ...]] = {
    "device-list": ("device", "list"),
    "device-show": ("device", "show", "here"),
    "fit-onnxruntime": ("fit", "here/onnxruntime", "--space", "small.toml"),
    "fit-tflite": ("fit", "here/tflite", "--space", "small.toml"),
    "predict-network": ("predict", "here/onnxruntime", "search/found/architecture.json"),
    "predict-elsewhere": ("predict", "here/tflite", "search/found/architecture.json"),
    "table-export": ("table", "export", "here/onnxruntime", "--space", "small.toml", "-o", "again.json"),
    "table-import": ("table", "import", "imported.yaml", "--device", "other"),
    "measurements-export": ("measurements", "export", "here/onnxruntime", "-o", "again.parquet"),
    "measurements-import": ("measurements", "import", "tflite.parquet"),
    "compare": ("compare", "found", "pair"),
    "target-list": ("target", "list"),
    "measurements-repair": ("measurements", "repair", "here/onnxruntime"),
    "report-workspace": ("report", "-o", "workspace.html"),
    "report-target": ("report", "here/onnxruntime", "-o", "target.html"),
    "report-search": ("report", "found", "-o", "found.html"),
    "report-series": ("report", "pair", "-o", "pair.html"),
    "device-remove": ("device", "remove", "here", "--keep-files"),
}
"""Run in this order in one copy of the workspace, each with --json."""

FILES = ("again.json", "measurements/here/onnxruntime-t1-fp32-b1/spaces/small-876d8e4a/model-lookup.json")
"""JSON files that the commands write, whose figures stay as well."""
