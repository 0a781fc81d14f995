"""The request of `quantize` and its result, as records of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from latkit._io.fields import Seed
from latkit.search.records.base import Record
from latkit.search.records.result import Positive
from latkit.search.tasks import DEFAULT_TASK, TASKS, Metric
from latkit.search.tasks.scored import metric_name_of, renamed

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
    """Policies whose judged score differs by no more are equal: of these the cheapest wins."""
    episodes: int = Field(default=120, ge=1)
    """Of HAQ's agent."""
    epochs: int = Field(default=1, ge=0)
    """Of quantization-aware training."""
    learning_rate: float = Field(default=0.002, gt=0)
    test_images: int = Field(default=10_000, ge=1)
    """Maximum number of test images on which files are run."""
    task: str = DEFAULT_TASK
    """Of a network from a file; that of a search is in its recipe."""

    @model_serializer(mode="wrap")
    def _stored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As earlier versions wrote them, if they can."""
        return {name: value for name, value in handler(self).items() if (name, value) != ("task", DEFAULT_TASK)}


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
    """One file: its latency on the target, and its score as run. The result stores scores under the metric's name."""

    predicted_ms: Positive
    measured_ms: Positive | None = None
    size_mb: Positive
    simulated_score: float | None = None
    """On the test images that the file is run on."""
    score: float | None = None
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
    """The cheapest policy whose judged score is within the tolerance of the best: `exact`, `haq`, `fastest`, or a
    uniform precision that meets the bound."""
    judged_scores: dict[str, float]
    """The task's metric on the judged training images of each policy, after quantization without training."""
    layers: tuple[LayerPolicy, ...]
    variants: dict[str, Variant]
    """`fp32`, one for each uniform precision, `exact`, `haq`, and `fastest`, the one of the least predicted cost."""

    @property
    def metric(self) -> Metric:
        """What scores are values of."""
        return TASKS.get(self.settings.task).metric

    @model_validator(mode="before")
    @classmethod
    def _read(cls, stored: Any) -> Any:
        """Take the scores from the fields that have the metric's name."""
        if not isinstance(stored, Mapping) or "judged_scores" in stored:
            return stored
        settings, variants = stored.get("settings"), stored.get("variants")
        fields = {to: name for name, to in _fields(metric_name_of(settings)).items()}
        found = renamed(stored, fields)
        if isinstance(variants, Mapping):
            found["variants"] = {
                name: renamed(one, fields) if isinstance(one, Mapping) else one for name, one in variants.items()
            }
        return found

    @model_serializer(mode="wrap")
    def _stored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = _fields(self.metric.name)
        stored = renamed(handler(self), fields)
        return stored | {"variants": {name: renamed(one, fields) for name, one in stored["variants"].items()}}


def _fields(metric: str) -> dict[str, str]:
    """The stored names of fields with scores."""
    return {"score": metric, "simulated_score": f"simulated_{metric}", "judged_scores": f"judged_{metric}"}
