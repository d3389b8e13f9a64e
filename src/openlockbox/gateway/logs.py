"""Log lines of `key=value` fields on standard error. Callers never pass secrets; nothing here looks for them."""

import json
import logging
import re
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_PLAIN: Final = re.compile(r"[^\s\"=\\]+")


class FieldFormatter(logging.Formatter):
    """One event a line. Values with spaces or control characters become JSON strings, so no field can fake another."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, event and fields."""
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        fields: dict[str, object] = extra.pop("fields", {}) | extra
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        line = [self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), record.levelname.lower(), record.getMessage()]
        for name, value in fields.items():
            text = str(value)
            plain = text.isprintable() and _PLAIN.fullmatch(text) is not None
            line.append(f"{name}={text if plain else json.dumps(text)}")
        return " ".join(line)


class FieldLogger:
    """A logger that takes an event's name and its fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **fields: object) -> None:
        """Say what happened as it should."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Say what was refused or will be tried again."""
        self._logger.warning(event, extra={"fields": fields})

    def exception(self, event: str, **fields: object) -> None:
        """Say what an operator must look at, with the exception at hand."""
        self._logger.error(event, extra={"fields": fields}, exc_info=True)  # noqa: LOG014  callers are in a handler


def log_to_stderr() -> None:
    """Send this package's events to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter())
    logger = logging.getLogger("openlockbox")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
