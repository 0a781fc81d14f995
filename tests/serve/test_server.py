"""The live view over HTTP: who is answered, with what, and how it follows the workspace."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from latkit.layout.jobs import Job, recorded
from latkit.progress import SILENT
from latkit.serve.page import POLICY
from latkit.serve.server import Server, Site
from tests.conftest import Run
from tests.golden.fields import check_fields
from tests.report.test_browser import HOSTILE
from tests.serve.conftest import JOBS
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
PROFILE = "measurements/made/onnxruntime-t1-fp32-b1/profiles/model-aaaaaaaa-0/report.html"
SEARCH = "search/cifar10-zen3-vm-tflite-t1"


@contextmanager
def requested(live: Server, path: str, method: str = "GET", **headers: str) -> Iterator[HTTPResponse]:
    """The answer to a request, whose address is sent as it is."""
    connection = HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE_S)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def status(live: Server, path: str, method: str = "GET", **headers: str) -> int:
    with requested(live, path, method, **headers) as answer:
        assert answer.getheader("Content-Security-Policy")
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        body = answer.read()
        assert answer.status == 200 or (b"secret:x" not in body and b"root:x:0" not in body)
        assert answer.status != 403 or live.site.token.encode() not in body
        return answer.status


def test_the_page_has_everything_and_its_policy_allows_only_its_own_script(live: Server) -> None:
    with requested(live, f"/{live.site.token}/") as answer:
        page = answer.read().decode()
    assert answer.status == 200
    policy = answer.getheader("Content-Security-Policy")
    assert policy == POLICY
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.count('class="row"') == JOBS + 1 + 3  # a killed job; a device, a search, a profile
    assert HOSTILE not in page
    for text in ("workshop", "epyc-vm", "requested 30.0 µs", "accuracy 70.27 %", "model.onnx"):
        assert text in page
    assert "the process ended unexpectedly" in page
    assert " style=" not in page
    assert " onclick=" not in page


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "10.0.0.1:{port}"])
def test_a_foreign_host_is_refused(live: Server, host: str) -> None:
    assert status(live, f"/{live.site.token}/", Host=host.format(port=live.port)) == 403


def test_names_of_this_machine_are_accepted(live: Server) -> None:
    for host in (f"127.0.0.1:{live.port}", f"LocalHost:{live.port}"):
        assert status(live, f"/{live.site.token}/", Host=host) == 200


def test_beyond_this_machine_an_address_is_accepted_but_no_other_name(live: Server) -> None:
    site = Site("", "", live.site.latest, live.site.reports, frozenset({"lab:8417"}), any_address=True)
    assert all(map(site.accepts, ("lab:8417", "10.0.0.1:8417", "[fe80::1]:8417")))
    assert not any(map(site.accepts, ("evil.example:8417", "lab", "[", "10.0.0.1.evil.example", "")))


@pytest.mark.parametrize("path", ["//[", "*", "/?", "%", "/%ff/"])
def test_a_malformed_address_is_refused(live: Server, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert status(live, path) == 403
    assert status(live, f"/{live.site.token}/{path}") == 404
    assert capfd.readouterr().err == ""  # no traceback


@pytest.mark.parametrize("token", ["", "x", "{token}x", "..", "%2e%2e"])
def test_a_wrong_token_is_refused(live: Server, token: str) -> None:
    wrong = token.format(token=live.site.token)
    assert status(live, f"/{wrong}/") == 403 if wrong.isascii() else True
    assert status(live, f"/{live.site.token[:-1]}/events") == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(live: Server, method: str) -> None:
    assert status(live, f"/{live.site.token}/", method) == 405


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "search/../devices/epyc-vm.toml",
        "search/%2e%2e/report.html",
        "search/..%2f..%2fetc/report.html",
        f"{SEARCH}/checkpoint.pt",
        f"{SEARCH}/../../devices/epyc-vm.toml",
        f"{SEARCH}/%00/report.html",
        "search/link/report.html",
        "search/link/result.json",
        "search/absent/report.html",
        "measurements/made/onnxruntime-t1-fp32-b1/profiles/..%2f..%2fx/report.html",
        "measurements/../devices/report.html",
        "measurements/made/onnxruntime/report.html",
        "//etc/passwd",
    ],
)
def test_what_is_outside_is_not_there(live: Server, tmp_path: Path, path: str) -> None:
    link = live.site.reports.workspace.root / "search" / "link"
    if not link.is_symlink():
        (tmp_path / "report.html").write_text("secret:x")
        (tmp_path / "result.json").write_text("secret:x")
        link.symlink_to(tmp_path)
    try:
        assert status(live, f"/{live.site.token}/{path}") == 404
    finally:
        link.unlink()


def test_pages_are_made_and_files_are_saved(live: Server) -> None:
    with requested(live, f"/{live.site.token}/{PROFILE}") as answer:
        assert b"model.onnx on made/onnxruntime-t1-fp32-b1" in answer.read()
        assert str(answer.getheader("Content-Security-Policy")).startswith("sandbox allow-scripts allow-downloads;")
    with requested(live, f"/{live.site.token}/{SEARCH}/result.json") as answer:
        assert answer.getheader("Content-Disposition") == 'attachment; filename="result.json"'
        assert json.loads(answer.read())["space"] == "proxyless-tiny"
    with requested(live, f"/{live.site.token}/{PROFILE}", "HEAD") as answer:
        assert (answer.status, answer.read()) == (200, b"")


def events(answer: HTTPResponse) -> Iterator[dict[str, list[tuple[str, str]]]]:
    while line := answer.readline():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])["lists"]


def running(found: Iterator[dict[str, list[tuple[str, str]]]], number: int) -> dict[str, list[tuple[str, str]]]:
    """The next event in which that many jobs are running; the connection has a timeout."""
    return next(lists for lists in found if len(lists.get("running", ())) == number)


def test_a_change_arrives_as_an_event(live: Server) -> None:
    root = live.site.reports.workspace.root
    with requested(live, f"/{live.site.token}/events") as answer:
        found = events(answer)
        assert "searches" in running(found, JOBS)  # at first, all that there is
        with recorded(root, Job("fit", ("pi4/tflite-t4-fp32-b1",), "new"), SILENT):
            assert "searches" not in running(found, JOBS + 1)  # then only what has changed
        third = running(found, JOBS)
    assert any("fit" in html and "finished" in html for _, html in third["ended"])


@pytest.mark.slow
def test_ctrl_c_ends_it_with_success(tmp_path: Path, latkit: Run) -> None:
    latkit("init", tmp_path)
    argv = [sys.executable, "-m", "latkit", "-C", str(tmp_path), "serve", "--port", "0", "--json"]
    process = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=-1, stderr=-1, text=True)
    try:
        assert process.stdout is not None
        document = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        check_fields(["serve"], document)
        with socket.create_connection(("127.0.0.1", document["port"]), timeout=PATIENCE_S):
            process.send_signal(signal.SIGINT)  # while a browser is connected
            _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "ended\n")
    assert document["url"].startswith(f"http://127.0.0.1:{document['port']}/")


def test_a_port_in_use_is_one_line(latkit: Run, live: Server) -> None:
    code, out, err = latkit("-C", live.site.reports.workspace.root, "serve", "--port", live.port)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "address already in use; choose another with --port" in err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_other_machines_are_refused(latkit: Run, live: Server, host: str) -> None:
    code, _, err = latkit("-C", live.site.reports.workspace.root, "serve", "--port", "0", "--host", host)
    assert (code, err.count("\n")) == (2, 1)
    assert "expected --host with an" in err


def test_without_a_workspace_it_says_so(latkit: Run, tmp_path: Path) -> None:
    code, _, err = latkit("-C", tmp_path, "serve", "--port", "0")
    assert (code, "is no workspace" in err) == (2, True)
