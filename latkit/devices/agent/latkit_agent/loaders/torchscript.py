"""The shapes of a TorchScript's inputs."""

from __future__ import annotations

import io
import pickle
from typing import Any

from ..requests import Fields, RequestError


class TracedInputs(pickle.Unpickler):
    """Reads the input shapes that torch.jit.trace stores in its file, and constructs nothing else from it."""

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the classes that these files name; anything else is refused."""
        known: Fields = {
            "torch.jit._pickle restore_type_tag": lambda value, _tag: value,
            "torch._utils _rebuild_tensor_v2": lambda storage, _offset, shape, *_rest: {
                "dtype": storage,
                "shape": shape,
            },
            "collections OrderedDict": dict,
        }
        if module == "torch" and name.endswith("Storage"):
            return name
        if f"{module} {name}" not in known:
            raise RequestError("bad-model", f"expected tensors as a TorchScript's stored inputs, but found {name}")
        return known[f"{module} {name}"]

    def persistent_load(self, pid: Any) -> Any:
        """The class name of a storage."""
        return pid[1]


def torch_inputs(path: str, request: Fields) -> list[Fields]:
    """Shapes of a TorchScript's inputs: from the request, otherwise as stored in the file by the trace."""
    shapes = request.get("input_shapes")
    if shapes is None:
        import zipfile  # it takes long to import

        with zipfile.ZipFile(path) as archive:
            stored = [name for name in archive.namelist() if name.endswith("/traced_inputs.pkl")]
            if not stored:
                raise RequestError("bad-model", "the TorchScript stores no inputs; expected input_shapes with it")
            traced = TracedInputs(io.BytesIO(archive.read(stored[0]))).load()["forward"]
        if any(item["dtype"] != "FloatStorage" for item in traced):
            raise RequestError("bad-model", f"expected inputs of float32, but found {traced}")
        shapes = [item["shape"] for item in traced]
    return [{"name": f"input{index}", "shape": list(n), "dtype": "float32"} for index, n in enumerate(shapes)]
