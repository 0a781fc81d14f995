"""Tasks: what networks are trained for and how they are judged. Classification is the first.

They load without torch, which only their functions need: reading a record with a score takes no more than its words.
"""

from latkit.search.tasks.augmentation import Augmentation, Transform, draw_transform
from latkit.search.tasks.base import Metric, Task
from latkit.search.tasks.names import DEFAULT_METRIC, DEFAULT_TASK
from latkit.search.tasks.registry import TASKS
from latkit.search.tasks.scored import Scored

__all__ = [
    "DEFAULT_METRIC",
    "DEFAULT_TASK",
    "TASKS",
    "Augmentation",
    "Metric",
    "Scored",
    "Task",
    "Transform",
    "draw_transform",
]
