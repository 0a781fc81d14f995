"""Imports run one way: docs/architecture.md lists the floors from the top down, and this holds the package to them."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "latkit"
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"
ENTRANCES = {"__init__", "__main__"}


def floors() -> list[set[str]]:
    """The rooms of every floor, from the top down, as the list under the heading `Floors` names them."""
    block = ARCHITECTURE.read_text(encoding="utf-8").split("## Floors")[1].split("```")[1]
    lines = [line for line in block.strip().splitlines() if not line.startswith(" ")]
    return [{name.strip() for name in line.split("  ")[0].replace("|", ",").split(",")} for line in lines]


def imports(path: Path) -> set[str]:
    """The rooms of latkit that a file imports, wherever in the file."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {parts[1] for name in names if (parts := name.split("."))[0] == "latkit" and len(parts) > 1}
    return rooms


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - ENTRANCES
    named = set().union(*floors())
    assert rooms == named


def test_no_room_imports_from_a_floor_above_or_beside_its_own() -> None:
    height = {room: number for number, floor in enumerate(reversed(floors())) for room in floor}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in PACKAGE.rglob("*.py")
        if (room := room_of(path)) not in ENTRANCES
        for other in imports(path) - {room, "__version__"}
        if height[other] >= height[room]
    ]
    assert not wrong


def test_words_know_no_torch() -> None:
    words = floors()[-1] | {"spaces", "zoo", "measurements"}
    wrong = [
        str(path)
        for path in PACKAGE.rglob("*.py")
        if room_of(path) in words and "import torch" in path.read_text(encoding="utf-8")
    ]
    assert not wrong


def test_no_type_checking_block_hides_a_circle() -> None:
    wrong = [str(path) for path in PACKAGE.rglob("*.py") if "TYPE_CHECKING" in path.read_text(encoding="utf-8")]
    assert not wrong
