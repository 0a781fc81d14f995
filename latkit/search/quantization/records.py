"""The request of `quantize` and its result, as records of a folder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from latkit._io.fields import Seed
from latkit.search.records.base import Record
from latkit.search.records.result import Positive

QUANTIZED_FILE = "quantized.json"
INPUTS_FILE = "inputs.json"
"""In the folder of a quantization, from its beginning."""
EPISODES_FILE = "episodes.jsonl"
CHECKPOINT_FILE = "training-{}.pt"


class QuantizeSettings(Record):
    """How policies are judged and the winner is trained."""

    seed: Seed = 0
    calibration_images: int = Field(default=256, ge=1)
    judged_images: int = Field(default=2048, ge=1)
    """Training images on which policies are judged; they do not overlap with those of the calibration."""
    tolerance: float = Field(default=0.005, ge=0, le=1)
    """Policies whose judged accuracy differs by no more are equal: of these the cheapest wins."""
    episodes: int = Field(default=120, ge=1)
    """Of HAQ's agent."""
    epochs: int = Field(default=1, ge=0)
    """Of quantization-aware training."""
    learning_rate: float = Field(default=0.002, gt=0)
    test_images: int = Field(default=10_000, ge=1)
    """Maximum number of test images on which files are run."""


class QuantizeInputs(Record):
    """What a result follows from."""

    format: Literal["latkit-quantization-inputs-1"] = "latkit-quantization-inputs-1"
    target: str
    network_key: str
    """Of its ops, without weights."""
    weights_sha256: str
    data_sha256: str
    precisions: tuple[str, ...]
    quantity: Literal["latency_ms", "size_mb"]
    bound: Positive
    settings: QuantizeSettings


class LayerPolicy(Record):
    """The precision of one op, and what all of them would cost and lose."""

    op: str
    precision: str
    precisions: tuple[str, ...]
    ms: tuple[float, ...]
    """What the op adds to the latency in each precision, without boundaries."""
    divergences: tuple[float, ...]
    """KL divergence of the outputs, in nats, if this op alone is in each precision."""
    boundary_ms: float = 0.0
    """What the op and the one before it cost together: the conversion of the tensor between them."""


class Variant(Record):
    """One file: its latency on the target, and its accuracy as run."""

    predicted_ms: Positive
    measured_ms: Positive | None = None
    size_mb: Positive
    simulated_accuracy: float | None = None
    """On the test images that the file is run on."""
    accuracy: float | None = None
    file: str = ""


class QuantizeResult(Record):
    """The policy of a network under a bound, with the files of fp32, uniform and mixed precision."""

    format: Literal["latkit-quantization-1"] = "latkit-quantization-1"
    target: str
    network: str
    network_key: str
    quantity: Literal["latency_ms", "size_mb"]
    bound: Positive
    settings: QuantizeSettings
    winner: str
    """The cheapest policy whose judged accuracy is within the tolerance of the best: `exact`, `haq`, `fastest`, or a
    uniform precision that meets the bound."""
    judged_accuracy: dict[str, float]
    """Accuracy on the judged training images of each policy, after quantization without training."""
    layers: tuple[LayerPolicy, ...]
    variants: dict[str, Variant]
    """`fp32`, one for each uniform precision, `exact`, `haq`, and `fastest`, the one of the least predicted cost."""
