"""How truthful `latkit profile` is on this machine: see `benchmarks/profile_truth.py`, which this runs.

    python benchmarks/profile.py [--comparisons 40] [--aa 100] [--max-seconds 1200] [--state FILE] [--json]

Python looks for modules beside the script that it runs, so that this file hides the standard module `profile`, which
torch imports, from all benchmarks. Imported under that name, it stands for the standard module.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

FOLDER = Path(__file__).parent
elsewhere = [entry for entry in sys.path if Path(entry).resolve() != FOLDER.resolve()]

if __name__ == "__main__":
    sys.path[:] = [str(FOLDER.parent), *elsewhere]
    from benchmarks.profile_truth import main

    main()
elif __name__ == "profile":
    spec = PathFinder.find_spec("profile", elsewhere)
    assert spec is not None
    assert spec.loader is not None
    standard = module_from_spec(spec)
    sys.modules["profile"] = standard
    spec.loader.exec_module(standard)
