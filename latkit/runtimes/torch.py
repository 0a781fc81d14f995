"""torch: TorchScript files, run by torch on the CPU or on a CUDA GPU.

A device loads a file in one line, and runs it without gradients:

    module = torch.jit.load(path, map_location="cpu")  # or "cuda"
    with torch.inference_mode():
        output = module(input)

Why TorchScript, though deprecated, and not torch.export's .pt2: `torch.export.load` unpickles any object of a file with
`weights_only=False`, so a forged file runs any code; `torch.jit.load` reads tensors and TorchScript only. It also loads
in 4 ms instead of 70, calls the smallest op in 4 us instead of 40 (no Python between the ops), and is read by the old
versions of torch on devices.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from latkit.runtimes.base import Runtime, Wheels, release


class Torch(Runtime):
    """TorchScript in fp32 on the CPU."""

    name = "torch"
    suffix = ".pt"
    wheels = Wheels((("torch", "numpy"),), pinned_as="torch")
    device = "cpu"

    @property
    def exporter(self) -> str:
        """Such as `torch.jit 2.13.0`."""
        return f"torch.jit {release('torch')}"

    def export(self, module: Any, examples: Sequence[Any], path: Path) -> None:
        """Write the traced module. Its weights stay parameters, so that `map_location` moves the full module to a
        GPU."""
        import torch

        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", DeprecationWarning)  # deprecated, and used on purpose: see the module
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                module, tuple(examples), check_trace=False
            )
            torch.jit.save(traced, path)

    def load(self, path: Path) -> Callable[..., Any]:
        """The module on this machine's CPU or GPU."""
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(  # type: ignore[no-untyped-call]
                path, map_location=self.device
            )

        def run(*inputs: Any) -> Any:
            with torch.inference_mode():
                return module(*(one.to(self.device) for one in inputs)).cpu()

        return run


class TorchCuda(Torch):
    """The same files on a CUDA GPU."""

    name = "torch_cuda"
    uses_cpu_time = False
    needs = "CUDA"
    device = "cuda"


TORCH, TORCH_CUDA = Torch(), TorchCuda()
