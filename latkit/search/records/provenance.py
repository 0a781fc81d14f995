"""Environment of a search: versions, processor, threads. Equal recipes in equal environments give equal results."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from torch import distributed as dist

ROOMS = ("nn", "ops", "search", "spaces", "tables")
"""Latkit's own packages whose code affects the result of a search."""


def versions() -> dict[str, str]:
    """Versions of the packages that compute the result."""
    packages = {package: version(package) for package in ("latkit", "torch", "lightning-fabric")}
    return {"python": platform.python_version(), **packages}


def machine(threads: int | None) -> dict[str, str]:
    """Operating system, processor, torch's threads (None: its default) and processes; the GPU if there is one.

    `source` is a hash of latkit's own files that affect the result: they may change within one version.
    """
    facts = {
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": str(threads or torch.get_num_threads()),
        "processes": str(dist.get_world_size() if dist.is_initialized() else 1),
        "source": _source(),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _source() -> str:
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in root.glob(f"{room}/**/*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _processor() -> str:
    """The processor's name as Linux reports it, otherwise as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
