"""int2: two bits for weights and activations."""

from __future__ import annotations

from latkit.ops import Precision

INT2 = Precision("int2", 2)
