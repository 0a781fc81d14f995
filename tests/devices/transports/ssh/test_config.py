"""SSH configurations and known hosts from other sources: an error is one line, and nothing in them is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latkit.devices.transports import Ssh
from latkit.devices.transports.ssh.config import Host, resolve
from latkit.devices.transports.ssh.known_hosts import known_keys
from latkit.errors import BadFile, LatkitError, UsageError
from latkit.testing.boards.sshd import Sshd

TOKENS = [
    "Host",
    "Match",
    "Include",
    "Port",
    "User",
    "IdentityFile",
    "HostName",
    "ProxyJump",
    "ConnectTimeout",
    "board",
]
TOKENS += [
    "CanonicalizeMaxDots",
    "all",
    "host",
    "*",
    "!",
    '"',
    "'",
    "~nobody/x",
    "9" * 5000,
    "%h",
    "=",
    "\n",
    "\0",
    "²",
]


def resolved(path: Path, text: str | bytes) -> Host:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return resolve(Ssh(host="board", config=str(path)), 5)


@pytest.mark.parametrize(
    "text",
    [
        "UserKnownHostsFile ~latkit-no-such-user/x",
        "Include ~latkit-no-such-user/x",
        "CanonicalizeMaxDots " + "9" * 5000,
        "IdentityFile " + "x" * 5000,
        "HostName a\x1b[2Jb",
        "User a\u202eb",
        "Match host",
        "Match all exec true",
        'Host "board',
        "Include /dev/zero",
        "Include {folder}/fifo",
        "Include {folder}",
        b"User \xff\xfe",
        "HostName \0",
    ],
)
def test_what_cannot_be_read_is_one_line(text: str | bytes, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    text = text.replace("{folder}", str(tmp_path)) if isinstance(text, str) else text
    with pytest.raises(BadFile) as caught:
        resolved(tmp_path / "config", text)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("option", ["Port", "ConnectTimeout"])
@pytest.mark.parametrize("value", ["many", "²", "-1", "70000", "9" * 5000, "1e3"])
def test_numbers(option: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"expected {option.lower()} of the SSH configuration as a number up to"):
        resolved(tmp_path / "config", f"{option} {value}")


def test_includes_that_multiply(tmp_path: Path) -> None:
    for level in range(15):
        (tmp_path / f"{level}").write_text(f"Include {level + 1}\n" * 10)
    (tmp_path / "15").touch()
    with pytest.raises(BadFile, match="more than 200 included files"):
        resolved(tmp_path / "config", "Include 0")


def test_too_many_jumps(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected at most 8 hosts in ProxyJump, but found 9"):
        resolved(tmp_path / "config", "ProxyJump " + ",".join("abcdefghi"))


@pytest.mark.parametrize(
    "line", ['Match exec "{command}"', 'match host * !Exec "{command}"', 'Match=ex"ec" "{command}"', "Include below"]
)
def test_no_command_of_an_untrusted_configuration_is_run(line: str, tmp_path: Path) -> None:
    command = f"touch {tmp_path}/was-run"
    (tmp_path / "below").write_text(f'Match exec "{command}"\n')
    with pytest.raises(BadFile, match=r"a line with Match exec, which latkit takes from ~/.ssh/config only"):
        resolved(tmp_path / "config", f"Host *\n{line.format(command=command)}\n User other\n")
    assert not (tmp_path / "was-run").exists()


def test_the_users_own_configuration_may_name_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    own = tmp_path / ".ssh" / "config"
    own.write_text('Host board\n User first\nMatch host other exec "true"\n User second\n')
    assert resolve(Ssh(host="board"), 5).user == "first"
    assert resolve(Ssh(host="board", config=str(own)), 5).user == "first"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=12))
def test_any_configuration_is_read_or_refused(tokens: list[str], tmp_path: Path) -> None:
    text = " ".join(tokens).encode(errors="surrogatepass")
    try:
        host = resolved(tmp_path / "config", text)
    except LatkitError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - either is right
    else:
        assert 1 <= host.port <= 65535


def test_known_hosts_that_cannot_be_read_are_passed_over(sshd: Sshd, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    key = sshd.host_key.with_suffix(".pub").read_text().strip()
    broken = ["|1|x|y", "|1|", "|1|AAAA|AAAA|AAAA", "|1|é|é", "|2|AAAA|AAAA"]
    (tmp_path / "known").write_text("".join(f"{names} {key}\n" for names in [*broken, "board"]) + "\0\x85\n")
    host = resolved(
        tmp_path / "config",
        f"UserKnownHostsFile {tmp_path}/fifo {tmp_path}/none {tmp_path}/known\nGlobalKnownHostsFile /dev/zero\n",
    )
    assert [known.line for known in known_keys(host)] == [len(broken) + 1]


@pytest.mark.parametrize("path", ["~latkit-no-such-user/config", "~latkit-no-such-user"])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(UsageError, match="expected the path of an SSH configuration"):
        Ssh.parse("board", path)


@pytest.mark.parametrize("text", ["a\x1bb", "a\udcffb", "h" * 300, "a\u0085b", "\x07@b"])
def test_invalid_addresses_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected an SSH address") as caught:
        Ssh.parse(text)
    assert str(caught.value).isprintable()
