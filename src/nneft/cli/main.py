"""The command ``nneft``: finds its commands late, and turns errors into lines and exit codes.

Nothing heavy is imported here, so that ``nneft --help`` answers at once.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from nneft._version import __version__
from nneft.errors import NumericsError

NOT_WRITTEN, WRONG_CALL, NUMERICS, INTERRUPTED = 1, 2, 3, 4
#: What a device says that takes no more: nothing was wrong with the call.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

#: name of the command: (module that holds a command of the same name, line in ``nneft --help``)
COMMANDS = {
    "critical": (
        "nneft.cli.critical",
        "Critical C_W and C_b of activations, and their universality classes.",
    ),
    "diagrams": (
        "nneft.cli.diagrams",
        "Feynman diagrams of a connected correlator, with factors and formulas.",
    ),
    "flow": ("nneft.cli.flow", "Kernels and correlators of a network, layer by layer."),
    "phase": ("nneft.cli.phase", "Phase diagram of an activation over C_W and C_b."),
    "reproduce": ("nneft.cli.reproduce", "Figures 1-5 of arXiv:2305.02334, theory on simulation."),
    "sample": (
        "nneft.cli.sample",
        "An ensemble of random networks: mean kernel and V_4 with standard errors.",
    ),
    "tune": (
        "nneft.cli.tune",
        "Which C_W and C_b for an activation at this depth and width, and what to type.",
    ),
    "verify": (
        "nneft.cli.verify",
        "Check every file of a run by its checksum, and sample chosen blocks again.",
    ),
}


class ReaderLeftError(Exception):
    """Whoever read standard output has closed it."""


@contextmanager
def _reading() -> Iterator[None]:
    """Tell a broken pipe by a name of its own: click and rich make it an exit with code 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderLeftError from error
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            raise ReaderLeftError from error
        raise


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse the call; ``--help`` and ``--version`` print here."""
        with _reading():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _reading():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command itself, imported now."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[name][0])
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command called; of a slip of the keyboard, what was meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"no such command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table alone: help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nneft", message="%(prog)s %(version)s")
def cli() -> None:
    """Effective field theory of random deep networks.

    Exit code 0: done; 1: nowhere to write; 2: a wrong call; 3: the numerics failed by name;
    4: interrupted.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line, and leave with its exit code.

    From here on SIGTERM interrupts as Ctrl-C does, and a warning is one line.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.showwarning = _warn
    if sys.stdout is None:  # closed by the shell
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.exit(run(args))


def _warn(message: Warning | str, *where: Any, **more: Any) -> None:
    click.echo(f"nneft: {message}", err=True)


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    The exit code: 0 done, 1 a full device, 2 a wrong call, 3 failed numerics, 4 interrupted; each
    but the first with one message on standard error. A reader that leaves early has what it wants:
    0, and no message. Any other exception is a defect and passes through.
    """
    try:
        code = cli.main(args, prog_name="nneft", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (ReaderLeftError, BrokenPipeError):
        return _drop_output(0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG_CALL
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _fail(" ".join(error.format_message().split()) + hint, WRONG_CALL)
    except click.ClickException as error:
        return _fail(error.format_message(), WRONG_CALL)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except NumericsError as error:
        return _fail(str(error), NUMERICS)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", WRONG_CALL)
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        if error.errno in FULL:
            where = error.filename or "the output"
            return _drop_output(
                _fail(f"cannot write {where}: {error.strerror}; free some space", NOT_WRITTEN)
            )
        return _fail(f"{about}{error.strerror or error}", WRONG_CALL)
    except (ValueError, TypeError) as error:
        return _fail(str(error), WRONG_CALL)


def _drop_output(code: int) -> int:
    """Leave nothing behind that the interpreter would try to write once more when it ends."""
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    except (OSError, ValueError):  # no file, as in a test or a notebook
        pass
    return code


def _fail(message: str, code: int) -> int:
    click.echo(f"nneft: {message}", err=True)
    return code
