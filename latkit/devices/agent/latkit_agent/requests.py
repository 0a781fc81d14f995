"""What a request is made of, and the error that answers it."""

from __future__ import annotations

from typing import Any, Dict  # noqa: UP035 - Python 3.8 runs this

Fields = Dict[str, Any]  # noqa: UP006 - Python 3.8 runs this


class RequestError(Exception):
    """An error to report to the host: `kind` is for programs, the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def required_field(request: Fields, name: str, kind: type, minimum: float = 0) -> Any:
    """A field of a request, of that type and at least `minimum`."""
    value = request.get(name)
    good = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not good or isinstance(value, bool) or (isinstance(value, (int, float)) and value < minimum):
        raise RequestError(
            "bad-request", f"expected {name} as {kind.__name__} of at least {minimum}, but found {value!r}"
        )
    return value
