"""Requests about supernets."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from latkit._io.fields import Seed
from latkit.workspace.requests.base import (
    MAX_DRAWN,
    MeasureRequest,
    PositiveSeconds,
    Request,
    SpaceField,
    TargetField,
)


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
    latencies_s: tuple[PositiveSeconds, ...] = ()
    """Each for every target."""
    latencies: Annotated[int, Field(ge=0, le=100)] = 0
    """This many more for every target, evenly spaced over what its sub-networks take."""
    evaluations: Annotated[int, Field(ge=20, le=MAX_DRAWN)] = 200
    """Sub-networks evaluated for the score predictor, once for all targets; by a strategy, for each latency."""
    strategy: str | None = None
    """Searches with the supernet's weights; by default evolution over a score predictor."""
    strategy_settings: dict[str, Any] = Field(default_factory=dict)
    finetune_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs of training that every network found gets of its own."""
    cross: bool = False
    """Measure every network on every target."""
    model: str = "lookup"
    seed: Seed = 0
    measure: bool = True

    @model_validator(mode="after")
    def _has_latencies(self) -> Self:
        if self.strategy_settings and self.strategy is None:
            raise ValueError("expected a strategy, such as --strategy evolution, with --strategy-set, but found none")
        if not self.latencies_s and not self.latencies:
            raise ValueError("expected a latency, such as --latency-ms 5, or --latencies N, but found none")
        return self
