"""How large the code is: sizes of files and functions, numbers of parameters, and files per folder.

    python benchmarks/code_size.py [--package latkit] [--revision REVISION ...] [--list] [--json]

Every revision of git is one column; the working tree is the last. `--list` names the functions over the limits.
"""

from __future__ import annotations

import argparse
import ast
import json
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
MAX_PARAMETERS = 6
MAX_LINES = 40
MAX_FILES = 12
"""Modules of a folder, without `__init__.py`, which only lists them."""
ONE_FILE_PER_KIND = ("ops/kinds", "search/strategies")
"""Folders that have a file for every kind, however many there are."""
COMMANDS = "cli/"
"""The folder of the command line, where every option of a command is a parameter."""


@dataclass(frozen=True)
class Function:
    """One function: where it is, its parameters (without self and cls), and its lines from `def` to the last."""

    file: str
    line: int
    name: str
    parameters: int
    lines: int
    body_lines: int
    """The lines after the docstring."""
    declares_command: bool
    """Whether it is a command: its parameters are the options."""

    @property
    def place(self) -> str:
        """`FILE:LINE NAME`."""
        return f"{self.file}:{self.line} {self.name}"


def sources(package: str, revision: str | None) -> Iterator[tuple[str, str]]:
    """Path below the package and text of every Python file: of the working tree, or of a revision."""
    if revision is None:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT / package).as_posix(), path.read_text(encoding="utf-8")
        return
    listed = _git("ls-tree", "-r", "--name-only", revision, f"{package}/").splitlines()
    for name in sorted(name for name in listed if name.endswith(".py")):
        yield name.removeprefix(f"{package}/"), _git("show", f"{revision}:{name}")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def functions(path: str, text: str) -> Iterator[Function]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = [argument for argument in arguments if argument.arg not in {"self", "cls"}]
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            body_lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            is_command = path.startswith(COMMANDS) and any(_declares_option(one) for one in own)
            yield Function(path, node.lineno, node.name, len(own), lines, body_lines, is_command)


def _declares_option(argument: ast.arg) -> bool:
    """Whether it is an option or an argument of a command, or the option that prints JSON."""
    annotation = "" if argument.annotation is None else ast.unparse(argument.annotation)
    return annotation == "AsJson" or annotation.startswith("Annotated[")


def too_large(package: str = "latkit", revision: str | None = None) -> list[Function]:
    """The functions over the limits. Of a command only the body counts: its options are parameters."""
    found = [function for path, text in sources(package, revision) for function in functions(path, text)]
    return [function for function in found if is_too_large(function)]


def is_too_large(function: Function) -> bool:
    """Whether a function has too many lines or parameters."""
    if function.declares_command:
        return function.body_lines > MAX_LINES
    return function.parameters > MAX_PARAMETERS or function.lines > MAX_LINES


def modules_per_folder(paths: Iterable[str]) -> Counter[str]:
    """The number of source files in every folder."""
    counted = (PurePosixPath(path) for path in paths)
    return Counter(path.parent.as_posix() for path in counted if path.name != "__init__.py")


def crowded(package: str = "latkit") -> dict[str, int]:
    """The folders of the working tree with too many source files, in Python or C."""
    root = ROOT / package
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix in {".py", ".c", ".h"})
    found = modules_per_folder(paths)
    return {folder: n for folder, n in found.items() if n > MAX_FILES and folder not in ONE_FILE_PER_KIND}


def measure(package: str, revision: str | None) -> dict[str, float]:
    """The figures of one revision."""
    files = list(sources(package, revision))
    sizes = [text.count("\n") for _, text in files]
    found = [function for path, text in files for function in functions(path, text)]
    folders = modules_per_folder(path for path, _ in files)
    return {
        "files": len(files),
        "lines": sum(sizes),
        "median lines of a file": statistics.median(sizes),
        "largest file": max(sizes),
        "functions": len(found),
        "longest function": max(function.lines for function in found),
        "most parameters": max(function.parameters for function in found),
        f"functions over {MAX_LINES} lines": sum(function.lines > MAX_LINES for function in found),
        f"functions over {MAX_PARAMETERS} parameters": sum(function.parameters > MAX_PARAMETERS for function in found),
        "of both, outside command-line declarations": len(too_large(package, revision)),
        "folders": len(folders),
        "most files in a folder": max(folders.values()),
        f"folders with more than {MAX_FILES} files": sum(count > MAX_FILES for count in folders.values()),
    }


def main() -> None:
    """Print one row per figure and one column per revision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", default="latkit")
    parser.add_argument("--revision", action="append", default=[])
    parser.add_argument("--list", action="store_true", help="the functions over the limits")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    columns = {
        **{revision: measure(options.package, revision) for revision in options.revision},
        "now": measure(options.package, None),
    }
    large = too_large(options.package) if options.list else []
    if options.json:
        print(json.dumps({"revisions": columns, "too_large": [asdict(function) for function in large]}))
        return
    print(f"{'':45s}" + "".join(f"{name:>14s}" for name in columns))
    for figure in columns["now"]:
        print(f"{figure:45s}" + "".join(f"{values[figure]:14g}" for values in columns.values()))
    for function in sorted(large, key=lambda each: each.place):
        print(f"{function.place}: {function.parameters} parameters, {function.lines} lines")


if __name__ == "__main__":
    main()
