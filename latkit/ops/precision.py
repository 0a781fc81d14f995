"""Precisions: the number format of an op's weights and activations, from which all its byte counts follow."""

from __future__ import annotations

from dataclasses import dataclass

from latkit._registry import Registry


@dataclass(frozen=True, slots=True)
class Precision:
    """A number format, by the name that targets and files give it."""

    name: str
    bits: int
    """Of one element."""

    def bytes(self, elements: int) -> int:
        """Bytes of that number of elements, rounded up."""
        return -(-elements * self.bits // 8)


FP32 = Precision("fp32", 32)
FP16 = Precision("fp16", 16)
BF16 = Precision("bf16", 16)
INT16 = Precision("int16", 16)
INT8 = Precision("int8", 8)
INT4 = Precision("int4", 4)

PRECISIONS: Registry[Precision] = Registry(
    "precision",
    "latkit.precisions",
    Precision,
    {name: f"{__name__}:{name.upper()}" for name in ("fp32", "fp16", "bf16", "int16", "int8", "int4")},
)
"""The known precisions by name: latkit's own, and those of plug-ins."""
