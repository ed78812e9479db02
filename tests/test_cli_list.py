"""The frame of the command line: help, listing, info, exit codes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from gst import plugins
from gst.cli.list import listing
from gst.cli.main import CORE_COMMANDS, cli, main
from gst.errors import UsageError

LIGHT = [["--help"], ["--version"], ["list"], ["list", "step", "--json"], ["list-plugins"], ["no-such-command"]]
READ_ONLY = {"list", "info", "list-plugins", "recipes", "check", "show", "published"}


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, gst.cli\n"
        "try: gst.cli.main(sys.argv[1:])\n"
        "finally: print(sorted({'torch', 'numpy', 'pydantic', 'PIL', 'rich'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.returncode == (2 if "no-such-command" in arguments else 0)


def commands(name: str) -> list[click.Command]:
    """A command of core, and the inner ones where it is a group."""
    command = cli if name == "" else cli.get_command(click.Context(cli), name)
    assert command is not None
    return [command, *(command.commands.values() if name and isinstance(command, click.Group) else ())]


def example_lines(command: click.Command) -> list[str]:
    return [line.strip() for line in (command.epilog or "").splitlines() if "gst " in line]


@pytest.mark.parametrize("name", ["", *CORE_COMMANDS])
def test_every_help_ends_with_examples(name: str, gst_command: Any) -> None:
    done = gst_command(*name.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    tail = done.stdout.split("Examples:\n")
    assert len(tail) == 2
    assert all("gst" in line for line in tail[1].splitlines())
    for command in commands(name):
        assert command.help, command.name
        assert example_lines(command), command.name


@pytest.fixture
def keep_signals() -> Iterator[None]:
    """`main` sets a handler; this process gets its own back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("keep_signals")
@pytest.mark.parametrize("name", ["", *CORE_COMMANDS])
def test_every_example(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Examples are parsed as they stand; those of commands that only read are run."""
    monkeypatch.chdir(root)
    for line in {line for command in commands(name) for line in example_lines(command)}:
        words = shlex.split(line.split("|")[-1])
        assert words[0] == "gst", line
        if words[1] in READ_ONLY:
            with pytest.raises(SystemExit) as ended:
                main(words[1:])
            assert ended.value.code == 0, (line, capsys.readouterr())
        elif "--help" not in words:
            parse(cli, words[1:])


def parse(group: click.Group, words: list[str]) -> None:
    """Let click read the arguments of a command without running it. Raises where one is unknown or missing."""
    context = click.Context(group)
    name, command, rest = group.resolve_command(context, words)
    if isinstance(command, click.Group):
        parse(command, rest)
    else:
        command.make_context(name, rest, parent=context)


def test_listing() -> None:
    everything = listing()
    assert {e["name"] for e in listing("step")} == {e["name"] for e in everything if e["kind"] == "step"}
    assert "tokenize" in {e["name"] for e in listing("step", "STORED Tokens")}
    assert "train" not in {e["name"] for e in listing("step", "STORED Tokens")}
    assert listing(word="no such word anywhere") == []
    with pytest.raises(UsageError, match="Did you mean 'prior'"):
        listing("priors")


def test_list_prints_plain_aligned_text_where_there_is_no_terminal(gst_command: Any) -> None:
    lines = gst_command("list", "step").stdout.splitlines()
    column = lines[0].index("distribution")
    assert lines[0].split() == ["kind", "name", "distribution", "summary"]
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
    assert json.loads(gst_command("list", "--json").stdout) == json.loads(json.dumps(listing()))
    nothing = gst_command("list", "-q", "zzzzzz")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "list-plugins" in nothing.stderr


def test_info(gst_command: Any) -> None:
    entry = plugins.registry().get("step", "train")
    found = json.loads(gst_command("info", "step/train", "--json").stdout)
    assert (found["kind"], found["name"], found["distribution"]) == ("step", "train", "gst-story")
    path, _, line = found["source"].rpartition(":")
    assert Path(path).read_text().splitlines()[int(line) - 1].startswith(("class Train", "@"))
    assert {o["name"] for o in found["options"]} == set(found["schema"]["properties"])
    assert "model" in found["outputs"]
    text = gst_command("info", "train").stdout
    assert text.startswith(f"step/train  {entry.summary}")
    for option in found["options"]:
        assert f"  {option['name']}: " in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["lst"], 2, "There is no command 'lst'. Did you mean 'list'"),
        (["list", "--jsn"], 2, "No such option"),
        (["list", "a", "b"], 2, "unexpected extra argument"),
        (["list", "smapler"], 2, "Did you mean 'sampler'"),
        (["info", "step/trian"], 4, "Did you mean 'train'"),
        (["info", "trian"], 4, "Did you mean 'train'"),
        (["info", "stp/train"], 2, "Did you mean 'step'"),
        ([], 2, "Usage: gst"),
    ],
)
def test_mistakes(arguments: list[str], code: int, message: str, gst_command: Any) -> None:
    done = gst_command(*arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


COMMANDS = """
from gst import hookimpl

@hookimpl
def gst_commands(cli):
    cli.add("fails", "gst_cmd:fails", "Fails in the way it is told")
    cli.add("gone", "gst_cmd:not_there", "Is not there")

import click, pathlib, sys, time

@click.command()
@click.argument("how")
def fails(how):
    if how == "disk":
        with open("/dev/full", "w") as file:
            file.write("x" * 100_000)
    if how == "rights":
        raise PermissionError(13, "Permission denied", "/somewhere")
    if how == "bug":
        return {}["no such key"]
    if how == "number":
        return 3
    if how == "exit":
        click.get_current_context().exit(5)
    if how == "wait":
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("cleaned up", flush=True)
"""


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("disk", 1, "error: The disk is full"),
        ("rights", 1, "error: No permission for /somewhere."),
        ("bug", 1, "error: This is a bug in gst or in a plugin: KeyError: 'no such key'\n  Add --debug"),
        ("number", 3, ""),
        ("exit", 5, ""),
    ],
)
def test_failures_of_commands(how: str, code: int, message: str, site: Any, gst_command: Any) -> None:
    site.install("gst-cmd", COMMANDS)
    done = gst_command("fails", how, env=site.env)
    assert done.returncode == code
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr
    if message:
        assert "Traceback" in gst_command("fails", how, "--debug", env=site.env).stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_command_cleanly(number: signal.Signals, code: int, site: Any) -> None:
    site.install("gst-cmd", COMMANDS)
    process = subprocess.Popen(
        [sys.executable, "-m", "gst", "fails", "wait"],
        env={**os.environ, **site.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == "cleaned up\n"
    assert "Traceback" not in err


def test_commands_of_plugins(site: Any, gst_command: Any) -> None:
    site.install("gst-cmd", COMMANDS)
    steals = "from gst import hookimpl\n@hookimpl\ndef gst_commands(cli):\n    cli.add('run', 'x:y', '')\n"
    site.install("gst-steals", steals)
    done = gst_command("--help", env=site.env)
    assert "fails  Fails in the way it is told" in done.stdout
    assert "gst-steals" in done.stderr
    assert "there is a command 'run' already" in done.stderr
    gone = gst_command("gone", env=site.env)
    assert gone.returncode == 4
    assert "The command 'gone' cannot be loaded from 'gst_cmd:not_there'" in gone.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gst", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(timeout=30)
