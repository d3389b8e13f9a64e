"""Turns what the program refuses into one line and exit code 1. Faults of the program keep their traceback."""

from typing import Any, NoReturn

import click
from sqlalchemy.exc import DBAPIError

from openlockbox.domain.errors import LockboxError


class Refused(click.ClickException):
    """A refusal for the operator's eyes."""

    exit_code = 1


class Refusals(click.Group):
    """A group whose commands end with a line instead of a traceback when something is refused."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's signature
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LockboxError as error:
            sentence = error.sentence % error.params if error.params else error.sentence
            raise Refused(f"{error.code}: {sentence} {error.advice}") from error
        except DBAPIError as error:
            raise Refused(f"database: {_first_line(error.orig)}") from error
        except OSError as error:
            raise Refused(str(error)) from error
        except Exception as error:  # noqa: BLE001  looked at and raised again
            _say_if_ours(error)


def _say_if_ours(error: Exception) -> NoReturn:
    """Our own exception classes are refusals and carry their reason; whatever else comes is a fault."""
    if type(error).__module__.startswith("openlockbox."):
        raise Refused(str(error) or (type(error).__doc__ or "").partition("\n")[0]) from error
    raise error


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0]
