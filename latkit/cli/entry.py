"""Runs the command line: an error ends as one line on stderr, and a fault of latkit's own as a file too."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

from typer._click.exceptions import ClickException, NoArgsIsHelpError

from latkit._io import host_error, missing_extra, one_line
from latkit.cli import INTERRUPTED
from latkit.cli.app import app
from latkit.cli.console import note
from latkit.cli.options import VERBOSE
from latkit.errors import LatkitError


def run() -> None:
    """Run the command that the process was started with. Always ends with SystemExit."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # the processes of a search import nothing from the current folder
    for stream in (sys.stdout, sys.stderr):  # a terminal that is not UTF-8 shows other characters as escapes
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        sys.exit(app(prog_name="latkit", standalone_mode=False))
    except ClickException as error:
        sys.exit(_refuse(error))
    except (SystemExit, GeneratorExit):
        raise
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(LatkitError.exit_code)
    except BaseException as error:  # noqa: BLE001 - libraries in Rust panic with what is no Exception
        sys.exit(_report(error))


def _refuse(error: ClickException) -> int:
    """Show in one line what is wrong with the command line; returns the exit code."""
    if not isinstance(error, NoArgsIsHelpError):  # the help is the answer, and was printed
        context = getattr(error, "ctx", None)
        more = f"; see: {context.command_path} -h" if context else ""
        message = one_line(error.format_message()).rstrip(".?")
        note(f"error: {message[:1].lower()}{message[1:]}{more}")
    return error.exit_code


def _report(error: BaseException) -> int:
    """Show an error in one line; returns its exit code."""
    ours = error if isinstance(error, LatkitError) else missing_extra(error) or host_error(error)
    if ours is not None:
        verbose = bool(os.environ.get(VERBOSE))
        more = " (what the library said: latkit --verbose ...)" if ours.detail and not verbose else ""
        note(f"{_process()}error: {ours}{more}")
        if ours.detail and verbose:
            note(ours.detail)
        return ours.exit_code
    if isinstance(error, MemoryError):
        note(f"{_process()}error: expected enough memory, but found: {one_line(str(error)) or 'none left'}")
        return LatkitError.exit_code
    note(
        f"{_process()}error: this is a fault of latkit's: {type(error).__name__}: {one_line(str(error))}; "
        f"{_keep_traceback(error)}"
    )
    return LatkitError.exit_code


def _keep_traceback(error: BaseException) -> str:
    """Write the traceback to a file, and print where it is."""
    import tempfile

    text = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix="latkit-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as trouble:
        return f"its traceback could not be kept: {trouble.strerror}"
    return f"its traceback is in {name}: please report it"


def _process() -> str:
    """Which of several processes writes; the first one needs no name."""
    rank = os.environ.get("RANK", "0") if "TORCHELASTIC_RUN_ID" in os.environ else "0"
    return "" if rank == "0" else f"process {rank}: "
