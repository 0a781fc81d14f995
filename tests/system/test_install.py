"""What `make` installs with: uv gets the sources that pip is configured with, whatever their order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.system.install import configured, for_uv


def test_uv_takes_its_sources_from_the_configuration_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is preferred to a file, as by pip; a flag that is off is not passed on."""
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nextra-index-url = https://a.example/simple\n file:///b\nfind-links = /x\ntimeout = 5\n"
        "[install]\nno-index = false\n[list]\nformat = json\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    options = configured([sys.executable, "-m", "pip"])
    assert options.items() >= {"find-links": "/wheels", "no-index": "false", "timeout": "5"}.items()
    assert set(for_uv({name: options[name] for name in ("extra-index-url", "find-links", "no-index", "timeout")})) == {
        "--extra-index-url=https://a.example/simple",
        "--extra-index-url=file:///b",
        "--find-links=/wheels",
    }


def test_pip_installs_where_uv_lacks_one_of_its_options() -> None:
    with pytest.raises(LookupError, match="uv lacks pip's client-cert"):
        list(for_uv({"find-links": "/x", "client-cert": "/c.pem"}))
