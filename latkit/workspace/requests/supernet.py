"""Requests about supernets."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from latkit.workspace.requests.base import Request, SpaceField


class TrainSupernetRequest(Request):
    """Train the weights of an elastic space, of which every sub-network takes a part."""

    space: SpaceField
    data: str
    """Where the images are: `digits`, an .npz file, a folder, `idx:FOLDER` or `hf:NAME`."""
    name: str
    """Folder of the supernet under `search/`."""
    curriculum: str | None = None
    """In which order sub-networks are trained; by default the one that `latkit.search.curricula` names."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Fields of `SupernetSettings` that differ from the defaults for these images."""
    quick: bool = False
    """A minute's training, to try things out."""
    resume: bool = False
