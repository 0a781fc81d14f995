"""Which submodule a node of an exported file belongs to: exporters write the path of submodules into names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Named = Callable[[str, str, Any], bool]
"""Whether an element of a node's path names a child: element, child's name, child."""


class ScopeReader:
    """Finds the submodule of a node from the elements of its path, outermost first."""

    def __init__(self, module: Any, names: Named) -> None:
        """A reader for a torch module; `names` compares an element with a child."""
        self._module = module
        self._names = names

    def submodule(self, elements: Sequence[str]) -> str | None:
        """Dotted name of the deepest submodule that the path enters; None if it enters none."""
        module, found = self._module, []
        for element in elements:
            children = [(name, child) for name, child in module.named_children() if self._names(element, name, child)]
            if not children:
                break
            name, module = max(children, key=lambda pair: len(pair[0]))
            found.append(name)
        return ".".join(found) if found else None


def last_module(module: Any, examples: Sequence[Any]) -> str:
    """Dotted name of the innermost submodule that ends last when the module runs: it gives the output."""
    import torch

    ended: list[str] = []
    hooks = [
        child.register_forward_hook(lambda *_, name=name: ended.append(name))
        for name, child in module.named_modules()
        if name and not any(True for _ in child.children())
    ]
    try:
        with torch.no_grad():
            module(*examples)
    finally:
        for hook in hooks:
            hook.remove()
    return ended[-1] if ended else ""
