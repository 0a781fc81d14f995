"""Tasks: what networks are trained for and how they are judged. Classification is the first."""

from latkit.search.tasks.augmentation import Augmentation, Transform, draw_transform
from latkit.search.tasks.base import Metric, Task
from latkit.search.tasks.registry import DEFAULT_TASK, TASKS
from latkit.search.tasks.scored import Scored

__all__ = ["DEFAULT_TASK", "TASKS", "Augmentation", "Metric", "Scored", "Task", "Transform", "draw_transform"]
