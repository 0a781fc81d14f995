"""Records that hold a value of a task's metric, stored under the metric's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer, model_validator

from latkit.errors import UsageError
from latkit.search.tasks.base import Metric
from latkit.search.tasks.names import DEFAULT_TASK
from latkit.search.tasks.registry import TASKS


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
        name = metric_name_of(stored)
        if name not in stored:
            raise ValueError(f"no {name}")
        return renamed(stored, {name: "score"})

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
        fields = renamed(handler(self), {"score": self.metric.name})
        if self.task == DEFAULT_TASK:
            fields.pop("task", None)  # as earlier versions wrote it
        return fields


def metric_name_of(stored: object) -> str:
    """The name of the metric of a stored record's task. Raises ValueError for an unknown task."""
    try:
        return TASKS.get(stored.get("task", DEFAULT_TASK) if isinstance(stored, Mapping) else DEFAULT_TASK).metric.name
    except UsageError as error:
        raise ValueError(str(error)) from error


def renamed(stored: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A record with some fields under other names, in the same order."""
    return {names.get(field, field): value for field, value in stored.items()}
