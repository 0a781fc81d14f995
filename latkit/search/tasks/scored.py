"""Records that hold a value of a task's metric, stored under the metric's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer, model_validator

from latkit.errors import UsageError
from latkit.search.tasks.base import Metric
from latkit.search.tasks.registry import DEFAULT_TASK, TASKS


class Scored(BaseModel):
    """A record of a network that was evaluated; records of earlier versions name no task."""

    task: str = DEFAULT_TASK
    score: float | None
    """Value of the task's metric; None if the network was not evaluated."""

    @property
    def metric(self) -> Metric:
        """The metric of the task."""
        return TASKS.get(self.task).metric

    @model_validator(mode="before")
    @classmethod
    def _read(cls, stored: Any) -> Any:
        """Take the score from the field that has the metric's name."""
        if not isinstance(stored, Mapping) or "score" in stored:
            return stored
        try:
            name = TASKS.get(stored.get("task", DEFAULT_TASK)).metric.name
        except UsageError as error:
            raise ValueError(str(error)) from error
        if name not in stored:
            raise ValueError(f"no {name}")
        return {("score" if field == name else field): value for field, value in stored.items()}

    @model_validator(mode="after")
    def _is_in_range(self) -> Scored:
        metric = self.metric
        if self.score is not None and not metric.lowest <= self.score <= metric.highest:
            raise ValueError(
                f"expected {metric.name} from {metric.lowest:g} to {metric.highest:g}, but found {self.score:g}"
            )
        return self

    @model_serializer(mode="wrap")
    def _stored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = {(self.metric.name if field == "score" else field): value for field, value in handler(self).items()}
        if self.task == DEFAULT_TASK:
            fields.pop("task", None)  # as earlier versions wrote it
        return fields
