"""The agent for devices that have Python: its modules as one file, which Python runs as it runs a script."""

from __future__ import annotations

import io
import marshal
import zipfile
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from types import CodeType

SOURCES = Path(__file__).with_name("latkit_agent")
"""The package of the agent: its modules import each other, the standard library and, where they use them, runtimes."""
MAIN = "from latkit_agent.main import main\n\nmain()\n"
"""What runs first: `__main__.py` of the archive."""
TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every file in it: the earliest that an archive can hold."""
HASH_BASED = (1).to_bytes(4, "little")
"""In the header of a compiled module: its source is identified by a hash, not by its time."""
MARSHAL_VERSION = 2
"""Later ones write which objects are the same, which differs between processes."""


@cache
def agent_archive() -> bytes:
    """A zip archive that any Python from 3.8 on runs: the same bytes from the same sources on hosts of one version.

    Each module is in it as source, and compiled by this host's version of Python. A device of that version starts
    the agent in two thirds of the time; every other one ignores the compiled modules.
    """
    files = {"__main__.py": MAIN.encode()}
    for path in SOURCES.rglob("*.py"):
        name, source = path.relative_to(SOURCES.parent).as_posix(), path.read_bytes()
        files |= {name: source, f"{name}c": _compiled(path, name, source)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # stored: a device may lack zlib
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, TIME), content)
    return out.getvalue()


def _compiled(path: Path, name: str, source: bytes) -> bytes:
    """A module as a compiled file, from Python's own cache on this host where it is in there."""
    module = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    code = SourceFileLoader(module, str(path)).get_code(module)
    assert code is not None  # only namespace packages have none
    return MAGIC_NUMBER + HASH_BASED + source_hash(source) + marshal.dumps(_renamed(code, name), MARSHAL_VERSION)


def _renamed(code: CodeType, name: str) -> CodeType:
    """The same code, from a file of another name: the path on this host is nobody's business."""
    constants = tuple(_renamed(one, name) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=name, co_consts=constants)
