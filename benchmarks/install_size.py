"""What each dependency of latkit costs on disk: the package, and what only it brings in.

    python benchmarks/install_size.py            # of latkit as it is installed here, extra by extra

Sizes are those of the files that each installed package lists, without compiled bytecode, in MB.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution

ROOT = "latkit"
MB = 1e6


@cache
def size_mb(name: str) -> float:
    """MB of a package's own files."""
    files = distribution(name).files or []
    return sum(file.size or 0 for file in files if file.suffix != ".pyc") / MB


def requirements(found: Distribution, extra: str) -> set[str]:
    """Normalized names of the installed packages that a package requires, of one extra or of none."""
    names = set()
    for line in found.requires or ():
        requirement, _, marker = line.partition(";")
        needed = f'extra == "{extra}"' in marker.replace("'", '"') if extra else "extra ==" not in marker
        name = re.split(r"[\s\[<>=!~(]", requirement, maxsplit=1)[0]
        if needed and is_installed(name):
            inner = re.search(r"\[(.+?)\]", requirement)
            own = {normalized(name)} - {ROOT}
            names |= own
            for other in inner[1].split(",") if inner else ():
                names |= requirements(distribution(name), other)
    return names


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def closure(names: Iterable[str]) -> set[str]:
    """The packages, and all that they require."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += requirements(distribution(name), "")
    return found


def table(title: str, direct: set[str], counted: set[str]) -> set[str]:
    """Print what the direct requirements add to what is installed; returns all packages."""
    together = closure(direct) | counted
    print(f"{title}: {sum(map(size_mb, together - counted)):.0f} MB")
    rows = []
    for name in direct:
        only = together - (closure(direct - {name}) | counted)
        rows.append((sum(map(size_mb, only)), name, only - {name}))
    for mb, name, others in sorted(rows, reverse=True):
        largest = sorted(others, key=size_mb, reverse=True)[:3]
        print(f"  {mb:7.1f}  {name}" + (f" (with {', '.join(largest)})" if largest else ""))
    return together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    latkit = distribution(ROOT)
    core = table("latkit", requirements(latkit, ""), set())
    for extra in latkit.metadata.get_all("Provides-Extra") or ():
        missing = [line for line in latkit.requires or () if f'extra == "{extra}"' in line.replace("'", '"')]
        if missing and requirements(latkit, extra):
            table(f"latkit[{extra}], beyond latkit", requirements(latkit, extra), core)


if __name__ == "__main__":
    main()
