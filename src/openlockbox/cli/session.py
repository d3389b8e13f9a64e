"""What a command works with: the settings, and the use cases wired to them. Reads the environment for the whole program."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import click

from openlockbox.config import Settings, find_file, load_settings
from openlockbox.services.work import Lockbox


def settings_file(ctx: click.Context) -> Path:
    """Return the settings file of this call.

    Raises:
        InvalidSettings: there is none.
    """
    return find_file(ctx.find_root().obj, os.environ)


def settings_of(ctx: click.Context) -> Settings:
    """Load the settings of this call.

    Raises:
        InvalidSettings: they cannot be used.
    """
    return load_settings(settings_file(ctx), os.environ)


def lockbox_of(ctx: click.Context) -> Lockbox:
    """Wire the use cases; what was opened is closed with the command."""
    from openlockbox import bootstrap
    from openlockbox.adapters.db.migrations import SchemaNotCurrent

    try:
        lockbox = bootstrap.bootstrap(settings_of(ctx))
    except SchemaNotCurrent as error:
        raise click.ClickException(f"{error}. Run: lockbox database upgrade") from error
    ctx.call_on_close(lambda: bootstrap.close(lockbox))
    return lockbox


def table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """Count columns of a terminal: Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
