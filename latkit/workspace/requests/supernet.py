"""Requests about supernets."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from latkit.workspace.requests.base import MeasureRequest, Request, SpaceField, TargetField


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


class SpecializeRequest(MeasureRequest):
    """Find sub-networks of a trained supernet for targets and latencies."""

    name: str
    """Folder of the supernet under `search/`."""
    targets: Annotated[tuple[TargetField, ...], Field(min_length=1)]
    latencies_s: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    """Each for every target."""
    evaluations: Annotated[int, Field(ge=20)] = 200
    """Sub-networks evaluated for the accuracy predictor, once for all targets."""
    model: str = "lookup"
    seed: int = 0
    measure: bool = True
