"""Precisions: the number format of an op's weights and activations, from which all its byte counts follow."""

from __future__ import annotations

from dataclasses import dataclass

from latkit._registry import Registry


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats of weights and activations, by the name that targets and files give them."""

    name: str
    bits: int
    """Of one element of an activation, as it is stored between two ops."""
    stored_weight_bits: int | None = None
    """Of one weight, where weights alone are stored in another format."""

    @property
    def activations(self) -> str:
        """The format of tensors between two ops; ops of one format pass them on without a conversion."""
        return "fp32" if self.bits == 32 else self.name

    def bytes(self, elements: int) -> int:
        """Bytes of that number of elements of activations, rounded up."""
        return -(-elements * self.bits // 8)

    def weight_bytes(self, elements: int) -> int:
        """Bytes of that number of weights, rounded up."""
        bits = self.bits if self.stored_weight_bits is None else self.stored_weight_bits
        return -(-elements * bits // 8)


FP32 = Precision("fp32", 32)
FP16 = Precision("fp16", 16)
BF16 = Precision("bf16", 16)
INT16 = Precision("int16", 16)
INT8 = Precision("int8", 8)
INT4 = Precision("int4", 4)
INT8_DYNAMIC = Precision("int8-dynamic", 32, 8)
INT4_DYNAMIC = Precision("int4-dynamic", 32, 4)
"""Weights are stored as integers; every op finds the range of its float inputs while it runs, and computes in integers.
"""
INT8_WEIGHTS = Precision("int8-weights", 32, 8)
INT4_WEIGHTS = Precision("int4-weights", 32, 4)
"""Weights alone are stored as integers; ops compute in floats."""

NAMES = (
    "fp32",
    "fp16",
    "bf16",
    "int16",
    "int8",
    "int4",
    "int8-dynamic",
    "int4-dynamic",
    "int8-weights",
    "int4-weights",
)

PRECISIONS: Registry[Precision] = Registry(
    "precision",
    "latkit.precisions",
    Precision,
    {name: f"{__name__}:{name.upper().replace('-', '_')}" for name in NAMES},
)
"""The known precisions by name: latkit's own, and those of plug-ins."""
