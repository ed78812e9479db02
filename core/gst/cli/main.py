"""`gst`: chooses a command, imports it, and turns what goes wrong into one message and an exit code.

Exit codes: 0 ok, 1 failed, 2 usage, 3 recipe invalid, 4 plugin missing or broken, 130 SIGINT, 143 SIGTERM.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from types import FrameType
from typing import Any, NoReturn

import click

from gst import __version__
from gst.cli.output import examples, warn
from gst.errors import GstError, PluginError

CORE_COMMANDS = {
    "run": ("gst.cli.run:command", "Train, sample and evaluate what a recipe says"),
    "sweep": ("gst.cli.sweep:command", "Run a recipe at many values, and what these have in common once"),
    "study": ("gst.cli.study:command", "Run a study and publish its tables with a verdict on every claim"),
    "check": ("gst.cli.check:command", "Check a recipe without running it"),
    "show": ("gst.cli.show:command", "Show a recipe as it is after extends, overrides and defaults"),
    "sample": ("gst.cli.sample:command", "Draw a story from your own captions"),
    "list": ("gst.cli.list:command", "List the components that recipes can use"),
    "info": ("gst.cli.info:command", "Show what a component is and which options it takes"),
    "list-plugins": ("gst.cli.list_plugins:command", "List the installed plugins and whether they work"),
    "recipes": ("gst.cli.recipes:command", "List the recipes that come with gst and its plugins"),
    "cp": ("gst.cli.cp:command", "Copy a recipe to a file of your own"),
    "runs": ("gst.cli.runs:command", "List runs and their results"),
    "compare": ("gst.cli.compare:command", "Set the numbers of runs side by side, with paired differences"),
    "published": ("gst.cli.published:command", "Show what others have published, with source and protocol"),
    "store": ("gst.cli.store:command", "Look into the store of finished steps, and clean it"),
    "data": ("gst.cli.data:command", "Check and view data sets"),
}


class Commands:
    """What a plugin's `gst_commands` is given."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, str]] = {}

    def add(self, name: str, target: str, summary: str) -> None:
        """Add a command: its name, "module:command" (a click command, imported when it is used), and one line."""
        if name in CORE_COMMANDS or name in self.found:
            raise ValueError(f"there is a command '{name}' already")
        self.found[name] = (target, summary)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used. Plugins are asked only where core has no answer."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*CORE_COMMANDS, *sorted(_of_plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = CORE_COMMANDS.get(cmd_name) or _of_plugins().get(cmd_name)
        return None if target is None else _import(cmd_name, target[0])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        known = self.list_commands(ctx) if args[0] not in CORE_COMMANDS else [args[0]]
        if args[0] not in known and not args[0].startswith("-"):
            from gst.registry import suggest

            ctx.fail(f"There is no command '{args[0]}'.{suggest(args[0], known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in CORE_COMMANDS.items()])
        if _of_plugins():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, summary) for name, (_, summary) in sorted(_of_plugins().items())])


@cache
def _of_plugins() -> dict[str, tuple[str, str]]:
    from gst import plugins

    commands = Commands()
    plugins.call_each("gst_commands", warn, cli=commands)
    return commands.found


def _import(name: str, target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        if name in CORE_COMMANDS:
            raise
        raise PluginError(f"The command '{name}' cannot be loaded from '{target}': {error}") from error
    assert isinstance(command, click.Command), target
    return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples("gst run recipes/maskgst_cg.yaml", "gst list prior", "gst info prior/maskgst", "gst run --help"),
)
@click.option("--debug", is_flag=True, help="Show tracebacks; may stand anywhere in a command.")
@click.version_option(__version__, prog_name="gst")
def cli(debug: bool) -> None:
    """Story visualization: captions in, frames out, the same cast in each."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point. Ends the process with the exit code of the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, _terminate)
    try:
        value = cli.main([word for word in given if word != "--debug"], prog_name="gst", standalone_mode=False)
        sys.stdout.flush()
        code = value if isinstance(value, int) else 0  # click returns what a command returned, or gave to ctx.exit
    except BaseException as error:
        code = _report(error, debug)
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _report(error: BaseException, debug: bool) -> int:
    """Say what went wrong on stderr; the exit code."""
    if isinstance(error, SystemExit):
        if error.code == 128 + signal.SIGTERM:
            warn("stopped by SIGTERM; what was finished is kept")
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # keeps the interpreter quiet at exit
        return 1
    if isinstance(error, KeyboardInterrupt | click.Abort):
        warn("interrupted; what was finished is kept")
        return 130
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if debug:
        traceback.print_exception(error)
    if isinstance(error, GstError):
        _say(error.message, error.hint)
        return error.exit_code
    message, hint = _unexpected(error)
    _say(message, None if debug else hint)
    return 1


def _unexpected(error: BaseException) -> tuple[str, str]:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else ""
        return f"The disk is full{where}.", "Make room (gst store du, gst store gc) and run the same command again."
    if isinstance(error, PermissionError):
        return f"No permission for {error.filename}.", "Check the rights of that place, or choose another."
    from gst.registry import describe

    return f"This is a bug in gst or in a plugin: {describe(error)}", "Add --debug for the traceback to report."


def _say(message: str, hint: str | None) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
