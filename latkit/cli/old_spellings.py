"""Old spellings of commands and flags: they work for one more release, and print a hint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typer._click.core import Context
from typer.core import TyperCommand, TyperGroup

from latkit.cli.console import note

FLAGS: Mapping[str, str] = {
    "--visits": "--rounds",
    "--visit-seconds": "--round-seconds",
    "--extra-visits": "--extra-rounds",
    "--new-scale": "--rebaseline",
    "--binary": "--benchmark-tool",
    "--binary-flag": "--benchmark-flag",
}
"""Old flags of several commands, by the new ones."""


def hint(old: str, new: str) -> None:
    """Print what an old spelling is called now."""
    note(f"hint: {old} is now {new}; the old spelling works until the next release")


def renamed(args: list[str], flags: Mapping[str, str]) -> list[str]:
    """The arguments with new flags instead of old ones; each prints one hint."""
    options = args[: args.index("--")] if "--" in args else args
    found: list[str] = []
    for arg in options:
        name, equals, value = arg.partition("=")
        new = flags.get(name, name)
        if new != name and not any(one.partition("=")[0] == new for one in found):
            hint(name, new)
        found.append(new + equals + value)
    return found + args[len(options) :]


class Command(TyperCommand):
    """A command that knows the old flags."""

    flags: ClassVar[Mapping[str, str]] = FLAGS

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the arguments, with the new flags instead of the old ones."""
        return super().parse_args(ctx, renamed(args, self.flags))


class SearchCommand(Command):
    """`latkit search`, whose -o was its name."""

    flags = {**FLAGS, "--limit": "--constraint", "-o": "--name", "--output": "--name"}  # noqa: RUF012


class ModelCommand(Command):
    """`latkit collect model`, whose file was given by a flag."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the arguments, with the file of --onnx among the positional ones."""
        files = _positional(args, "--onnx")
        if files != args:
            hint("--onnx MODEL", "MODEL, after the targets")
        return super().parse_args(ctx, files)


def _positional(args: list[str], flag: str) -> list[str]:
    """The arguments with the values of a flag as positional arguments."""
    options = args[: args.index("--")] if "--" in args else args
    return [arg.removeprefix(f"{flag}=") for arg in options if arg != flag] + args[len(options) :]


class CollectGroup(TyperGroup):
    """`latkit collect`, whose kind of collection was chosen by a flag."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the arguments; those of the old spelling name a target first."""
        if args and ("/" in args[0] or args[0].startswith("-")) and args[0] not in ("-h", "--help"):
            args = _with_subcommand(args)
        return super().parse_args(ctx, args)


def _with_subcommand(args: list[str]) -> list[str]:
    """`TARGET --kernels 400` as `kernels TARGET --count 400`; `--model FILE` as `model TARGET FILE`; else `space`."""
    names = {arg.partition("=")[0] for arg in args}
    for old, subcommand, new in (("--kernels", "kernels", "--count"), ("--model", "model", "--onnx")):
        if old in names:
            hint(f"latkit collect {old}", f"latkit collect {subcommand}")
            replaced = [new + arg.removeprefix(old) if arg.partition("=")[0] == old else arg for arg in args]
            return [subcommand, *(_positional(replaced, new) if new == "--onnx" else replaced)]
    if "--space" in names:
        hint("latkit collect TARGET --space", "latkit collect space")
    return ["space", *args]
