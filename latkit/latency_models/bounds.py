"""Bounds of numbers in a model's file: values outside are mistakes, and would overflow in use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MAX_SECONDS = 1e9
MAX_LOG_ERROR = 20.0
"""Maximum prediction error, in the logarithm: a factor of half a billion."""

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
SecondsAboveZero = Annotated[float, Field(ge=1e-12, le=MAX_SECONDS)]
SecondsEither = Annotated[float, Field(ge=-MAX_SECONDS, le=MAX_SECONDS)]
"""Added or saved."""
SecondsPerUnit = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
"""Of one multiply-accumulate, element or weight."""
LogError = Annotated[float, Field(ge=-MAX_LOG_ERROR, le=MAX_LOG_ERROR)]
RelativeError = Annotated[float, Field(ge=0, le=1e9)]
Factor = Annotated[float, Field(ge=-1e6, le=1e6)]
Count = Annotated[int, Field(ge=0, le=2**53)]
