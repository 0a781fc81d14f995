"""What numbers in a model's file may be: what lies outside is a mistake, and would overflow where it is used."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MAX_SECONDS = 1e9
MAX_LOG_ERROR = 20.0
"""A prediction is never off by more than this, in the logarithm: a factor of half a milliard."""

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
SecondsAboveZero = Annotated[float, Field(ge=1e-12, le=MAX_SECONDS)]
SecondsPerUnit = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
"""Of one multiply-accumulate, number or weight."""
LogError = Annotated[float, Field(ge=-MAX_LOG_ERROR, le=MAX_LOG_ERROR)]
RelativeError = Annotated[float, Field(ge=0, le=1e9)]
Factor = Annotated[float, Field(ge=-1e6, le=1e6)]
Count = Annotated[int, Field(ge=0, le=2**53)]
