"""torch: TorchScript on the CPU and on a CUDA GPU."""

from __future__ import annotations

from typing import Callable  # noqa: UP035 - Python 3.8 runs this

from ..models import SEED, Loaded, random_input
from ..requests import Fields, RequestError
from .torchscript import torch_inputs

FIND = """
import torch
print("torch", torch.__version__, flush=True)
assert torch.cuda.is_available(), "torch finds no CUDA device"
print("torch", torch.__version__)
"""


def load_torchscript(path: str, request: Fields, device: str) -> tuple[Callable[[], object], list[Fields]]:
    """A TorchScript with its inputs bound, and the description of its inputs."""
    import torch

    inputs = torch_inputs(path, request)
    torch.inference_mode().__enter__()  # never left: this process does not train, and entering again takes time
    script = torch.jit.load(path, map_location=device).eval()  # type: ignore[no-untyped-call]
    arrays = [random_input(item["shape"], item["dtype"], SEED + index) for index, item in enumerate(inputs)]
    arguments = [torch.from_numpy(array).to(device) for array in arrays]
    return lambda: script(*arguments), inputs


def load_torch(path: str, threads: int, request: Fields) -> Loaded:
    """A TorchScript on the CPU."""
    import torch

    torch.set_num_threads(threads)
    run, inputs = load_torchscript(path, request, "cpu")
    return Loaded(run, "cpu", f"torch {torch.__version__}", inputs)


def load_torch_cuda(path: str, threads: int, request: Fields) -> Loaded:
    """A TorchScript on a CUDA GPU, timed by device events. A captured graph saves small networks the
    launch overhead.
    """
    import torch

    if not torch.cuda.is_available():
        raise RequestError("runtime-missing", "torch finds no CUDA device")
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32
    direct, inputs = load_torchscript(path, request, "cuda")
    call, delegate = captured(direct)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def run() -> None:
        start.record()
        call()
        end.record()
        end.synchronize()

    model = Loaded(run, delegate, f"torch {torch.__version__}", inputs)
    model.device_ns = lambda: max(round(start.elapsed_time(end) * 1e6), 1)
    return model


def captured(call: Callable[[], object]) -> tuple[Callable[[], object], str]:
    """The call as a CUDA graph if it can be captured, otherwise the call itself; and which of the two."""
    import torch

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):  # TorchScript optimizes itself in its first runs, which must not be captured
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            call()
    except RuntimeError:
        torch.cuda.synchronize()
        return call, "cuda"
    return graph.replay, "cuda-graph"


LOADERS = {"torch": load_torch, "torch_cuda": load_torch_cuda}
