"""Shows on a terminal how far sending is; says nothing in a pipe but what went wrong."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress:
    """What is told while files are sent."""

    def advance(self, size: int, *, failed: int) -> None:
        """One more file is done, of `size` bytes; `failed` so far."""

    def tell(self, line: str) -> None:
        """Print a line on standard error."""
        click.echo(line, err=True)


class _OnTerminal(Progress):
    """A bar, in bytes, with files, pace, what is left, and failures."""

    def __init__(self, bar: "Bar", files: int, size: int) -> None:
        self._bar = bar
        self._files = files
        self._done = 0
        self._task = bar.add_task("", total=size, files=f"0/{files} files", failed="")

    def advance(self, size: int, *, failed: int) -> None:
        self._done += 1
        told = f"{failed} failed" if failed else ""
        self._bar.update(self._task, advance=size, files=f"{self._done}/{self._files} files", failed=told)

    def tell(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False)


@contextmanager
def showing_progress(files: int, size: int) -> Iterator[Progress]:
    """Show it as long as the block runs. `size`: bytes in all."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        BarColumn(),
        TextColumn("{task.fields[files]}"),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failed]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _OnTerminal(bar, files, size)
