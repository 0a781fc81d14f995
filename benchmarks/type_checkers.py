"""Do pyright and mypy find the mistakes in a user's script, and none in the same script without them?

    python benchmarks/type_checkers.py --folder build/types --json    # --quick: mypy only

The script and its mistakes are those of tests/typing. pyright is installed into a clean virtual environment, since it
brings a JavaScript program; both check against the packages of this Python.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.typing.test_front_door import MISTAKES, RIGHT, line_of  # noqa: E402


def error_lines(argv: list[str], script: Path) -> set[int]:
    """The lines of a script in which a checker finds errors."""
    ended = subprocess.run([*argv, str(script)], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        sys.exit(ended.stdout + ended.stderr)
    found = re.findall(rf"{script.name}:(\d+)(?::\d+)?(?: -|:) error", ended.stdout)
    return set(map(int, found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "types")
    parser.add_argument("--quick", action="store_true", help="mypy only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wrong = RIGHT
    for right, mistake in MISTAKES.items():
        wrong = wrong.replace(right, mistake)
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(wrong)
    checkers = {"mypy": [sys.executable, "-m", "mypy"]}
    if not arguments.quick:
        pyright = folder / "venv" / "bin" / "pyright"
        if not pyright.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
            subprocess.run([str(pyright.with_name("pip")), "install", "-q", "pyright"], check=True)
        (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}))
        checkers["pyright"] = [str(pyright), "-p", str(folder), "--pythonpath", sys.executable]
    expected = {line_of(part) for part in MISTAKES}
    results = {}
    for name, argv in checkers.items():
        false_alarms = len(error_lines(argv, folder / "right.py"))
        found = len(expected & error_lines(argv, folder / "wrong.py"))
        results[name] = {"mistakes": len(expected), "found": found, "false_alarms": false_alarms}
        if not arguments.json:
            print(f"{name}: {found} of {len(expected)} mistakes found, {false_alarms} false alarms", flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
