"""`latkit strategies` lists what the registry has."""

from __future__ import annotations

import json
import subprocess
import sys

from latkit.search.strategies import STRATEGIES
from tests.golden.fields import check_fields


def test_every_strategy_is_listed_with_a_line_and_its_settings_and_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['latkit', 'strategies', '--json']\n"
        "from latkit.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    document = json.loads(found.stdout)
    check_fields(["strategies"], document)
    rows = {row["strategy"]: row for row in document["strategies"]}
    assert set(STRATEGIES.names()) <= set(rows)
    assert rows["evolution"]["settings"] == {"population": 20, "tournament": 10}
    assert rows["nsga2"]["front"] is True
    assert rows["local-search"]["from"] == "latkit"
