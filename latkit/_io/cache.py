"""The folder of this machine in which latkit keeps what can be made again: exported models, the agent's bundles.

By default it is also the agent's folder if this machine is a device. So every name that the host writes there is listed
here: the agent's folder takes them for latkit's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

Part = Literal["artifacts", "bundles", "modules"]
PARTS: tuple[str, ...] = (*get_args(Part), "artefacts")
"""Folders of what can be made again; the last is an earlier version's."""
USERS = "users"
"""Folder of the files that running processes lock."""
PHONE = "phone"
"""Folder of the packages that the simulated phone is made of."""
NAMES = (*PARTS, USERS, PHONE)
"""All that the host writes there."""


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that the variable LATKIT_CACHE names, or `~/.cache/latkit`."""
    return Path(environment.get("LATKIT_CACHE") or Path.home() / ".cache" / "latkit")


def cache_folder(part: Part, environment: Mapping[str, str] = os.environ) -> Path:
    """One of its folders."""
    return cache_root(environment) / part
