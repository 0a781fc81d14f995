"""Writes the installed version's answers about the golden workspace into `documents-0.1`.

Usage: python tests/golden/make_documents.py

Run once, with version 0.1. A document is rewritten only for an intended change, and then by hand or with a commit that
explains it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import COMMANDS, FILES

HERE = Path(__file__).parent


def main() -> None:
    """Run every command in a copy of the workspace."""
    documents = HERE / "documents-0.1"
    documents.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(HERE / "workspace-0.1", Path(folder) / "workspace")
        for name, argv in COMMANDS.items():
            command = [sys.executable, "-m", "latkit", *argv, "--json"]
            done = subprocess.run(command, check=True, cwd=copy, stdout=subprocess.PIPE, text=True)
            (documents / f"{name}.json").write_text(done.stdout)
        for name in FILES:
            shutil.copy(copy / name, documents / f"file-{Path(name).name}")


if __name__ == "__main__":
    main()
