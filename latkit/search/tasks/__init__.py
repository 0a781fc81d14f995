"""Tasks: what networks are trained for and how they are judged. Classification is the first."""

from latkit._registry import Registry
from latkit.search.tasks.augmentation import Augmentation, Transform, draw_transform
from latkit.search.tasks.base import Metric, Task

TASKS: Registry[Task] = Registry(
    "task",
    "latkit.tasks",
    Task,
    {"classification": "latkit.search.tasks.classification:CLASSIFICATION"},
)
"""The known tasks. A plug-in adds one with an entry point of the group `latkit.tasks`."""

DEFAULT_TASK = "classification"

__all__ = ["DEFAULT_TASK", "TASKS", "Augmentation", "Metric", "Task", "Transform", "draw_transform"]
