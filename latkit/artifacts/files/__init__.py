"""Model files as users have them: read without changing them, with inputs that respect type, range and vocabulary."""

from latkit.artifacts.files.read import FORMATS, check_runtime, read_source
from latkit.artifacts.files.source import FileOp, ModelSource, SourceRequest

__all__ = ["FORMATS", "FileOp", "ModelSource", "SourceRequest", "check_runtime", "read_source"]
