"""What is quantized: the precision of every submodule, and the inputs on which ranges are calibrated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latkit.errors import UsageError
from latkit.ops.precision import FP32

INT8 = "int8"
"""The only precision of static ranges, which calibration finds."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """The precision of every part of a module, and how it is calibrated. Tensors are torch's."""

    precisions: Mapping[str, str]
    """Precision by a submodule's dotted name, as `named_modules` gives it; `""` is the module itself. The longest
    matching name applies to a part; parts without one are fp32."""
    calibration: Sequence[Sequence[Any]]
    """Float inputs on which ranges of activations are found: for each sample one tensor for each of the module's
    inputs, of the exported shapes. A sample of several batches is cut into such. Needed for `int8` only."""
    float_io: bool = True
    """Whether inputs and outputs are float32. Otherwise they are 8-bit integers where the part that takes or gives
    them is `int8`, so that a device converts nothing."""

    def precision_of(self, name: str) -> str:
        """The precision of the submodule of that dotted name."""
        while True:
            if name in self.precisions:
                return self.precisions[name]
            if not name:
                return FP32.name
            name = name.rpartition(".")[0]

    def used(self) -> set[str]:
        """The precisions that occur, fp32 left out."""
        return set(self.precisions.values()) - {FP32.name}

    def check(self, module: Any, examples: Sequence[Any], known: Sequence[str]) -> None:
        """Raise UsageError for a name that is no submodule, a precision that is not `known`, or calibration inputs of
        another shape than the examples."""
        names = dict(module.named_modules())
        for name, precision in self.precisions.items():
            if name not in names:
                raise UsageError(f"expected the name of a submodule of {type(module).__name__}, but found {name!r}")
            if precision not in known:
                raise UsageError(f"expected a precision among {', '.join(known)}, but found {precision!r}")
        if INT8 in self.used() and not self.calibration:
            raise UsageError("expected inputs to calibrate the ranges of int8 on, but found none")
        for sample in self.calibration:
            _check_sample(sample, examples)

    def batches(self, examples: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The calibration inputs, cut into batches of the examples' size; a last smaller batch is left out."""
        size = len(examples[0])
        for sample in self.calibration:
            for start in range(0, len(sample[0]) - size + 1, size):
                yield tuple(one[start : start + size] for one in sample)


def _check_sample(sample: Sequence[Any], examples: Sequence[Any]) -> None:
    expected = [tuple(example.shape[1:]) for example in examples]
    found = [tuple(one.shape[1:]) for one in sample]
    sizes = {len(one) for one in sample}
    if found != expected or len(sizes) != 1 or min(sizes) < len(examples[0]):
        shapes = ", ".join("x".join(map(str, ("N", *shape))) for shape in expected)
        got = ", ".join("x".join(map(str, one.shape)) for one in sample) or "none"
        raise UsageError(f"expected calibration inputs of {shapes}, N at least {len(examples[0])}, but found {got}")
