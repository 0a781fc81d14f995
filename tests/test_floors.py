"""Imports run one way: docs/architecture.md lists the floors from the top down; this checks the package."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "latkit"
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"
ENTRANCES = {"__init__", "__main__"}
AGENT = PACKAGE / "devices" / "agent" / "latkit_agent"
"""Runs on the device, with what the device has, and under another name: its modules import each other relatively."""


def floors() -> list[set[str]]:
    """The packages of every floor, from the top down, as the list under the heading `Floors` names them."""
    block = ARCHITECTURE.read_text(encoding="utf-8").split("## Floors")[1].split("```")[1]
    lines = [line for line in block.strip().splitlines() if not line.startswith(" ")]
    return [{name.strip() for name in line.split("  ")[0].replace("|", ",").split(",")} for line in lines]


@cache
def imported(path: Path) -> set[tuple[str, ...]]:
    """The dotted names that a file imports, wherever in the file, as their parts."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or AGENT in path.parents, f"{path}: a relative import hides where it leads"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {tuple(name.split(".")) for name in names}


def imports(path: Path) -> set[str]:
    """The packages of latkit that a file imports."""
    return {parts[1] for parts in imported(path) if parts[0] == "latkit" and len(parts) > 1}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_package_has_a_layer() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - ENTRANCES
    named = set().union(*floors())
    assert rooms == named


def test_no_package_imports_from_a_layer_above_or_at_its_own_level() -> None:
    height = {room: number for number, floor in enumerate(reversed(floors())) for room in floor}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in PACKAGE.rglob("*.py")
        if (room := room_of(path)) not in ENTRANCES
        for other in imports(path) - {room, "__version__"}
        if height[other] >= height[room]
    ]
    assert not wrong


def test_torch_is_imported_where_the_plan_says() -> None:
    rooms = {
        room_of(path)
        for path in PACKAGE.rglob("*.py")
        if AGENT not in path.parents and {parts[0] for parts in imported(path)} & {"torch", "lightning_fabric"}
    }
    (line,) = (line for line in ARCHITECTURE.read_text(encoding="utf-8").splitlines() if line.startswith("torch is "))
    named = line.split(";")[0].split("`")[1::2]
    assert rooms == set(named)


def test_no_type_checking_block_hides_a_circle() -> None:
    """Such a block may save the import of a large library, and never one of latkit's modules."""
    blocks = [
        (path, node)
        for path in PACKAGE.rglob("*.py")
        if "TYPE_CHECKING" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    assert blocks
    assert not [str(path) for path, node in blocks if "latkit" in ast.unparse(node)]
