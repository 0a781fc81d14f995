"""No function of the package has more than six parameters or forty lines, and no folder more than twelve modules."""

from __future__ import annotations

import pytest

from benchmarks.code_size import (
    MAX_FILES,
    MAX_LINES,
    MAX_PARAMETERS,
    ONE_FILE_PER_KIND,
    ROOT,
    crowded,
    functions,
    is_too_large,
    modules_per_folder,
    too_large,
)


def test_no_function_is_too_large() -> None:
    found = [f"{one.place}: {one.parameters} parameters, {one.lines} lines" for one in too_large()]
    assert not found, f"expected at most {MAX_PARAMETERS} parameters and {MAX_LINES} lines; pass a record, or split"


def test_parameters_and_lines_are_counted() -> None:
    source = "class A:\n    def b(self, c, /, d, *e, f=1, **g):\n        pass\n"
    (function,) = functions("a.py", source)
    assert (function.place, function.parameters, function.lines) == ("a.py:2 b", 3, 2)


def test_of_a_command_only_the_body_counts() -> None:
    options = "".join(f"    o{number}: Annotated[int, typer.Option()] = 0,\n" for number in range(41))
    source = f'def a(\n{options}) -> None:\n    """Do it."""\n' + "    x = 1\n"
    (short,) = functions("cli/a.py", source)
    (long,) = functions("cli/a.py", source + MAX_LINES * "    x = 1\n")
    (elsewhere,) = functions("a.py", source)
    assert [is_too_large(one) for one in (short, long, elsewhere)] == [False, True, True]


def test_no_folder_is_too_large() -> None:
    assert not crowded(), f"expected at most {MAX_FILES} modules; divide the folder by noun"


def test_modules_of_a_folder_are_counted() -> None:
    assert modules_per_folder(["a/__init__.py", "a/b.py", "a/c/d.c", "a/c/d.h"]) == {"a": 1, "a/c": 2}


@pytest.mark.parametrize("folder", ONE_FILE_PER_KIND)
def test_no_exception_is_out_of_date(folder: str) -> None:
    assert len(list((ROOT / "latkit" / folder).glob("*.py"))) > MAX_FILES
