"""How truthful `latkit profile` is on this machine: see `benchmarks/profile_truth.py`, which this runs.

python benchmarks/profile.py [--comparisons 40] [--aa 100] [--max-seconds 1200] [--state FILE] [--json]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # in its own folder, this file hides the standard module of the same name

from benchmarks.profile_truth import main  # noqa: E402

if __name__ == "__main__":
    main()
