r"""How a log record is written: for people, or as one JSON object a line.

Whatever came from a peer is escaped in both (`\r` is written `\x0d`), keys and tracebacks too.
"""

import json
import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any

import msgspec

from port104.service.escaping import escape

_LEVEL_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_JSON_INTEGERS = range(-(2**63), 2**64)


class Entry(msgspec.Struct):
    """A log record, safe to print."""

    timestamp: str
    """UTC, ISO 8601, milliseconds."""
    level: str
    logger: str
    event: str
    values: dict[str, Any]
    exception: list[str]
    """The lines of the traceback."""

    @classmethod
    def of(cls, record: logging.LogRecord) -> "Entry":
        """Take a record of structlog's or of the standard library's."""
        values = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
        return cls(
            timestamp=timestamp(record.created),
            level=_LEVEL_NAMES.get(record.levelno, escape(record.levelname)),
            logger=escape(record.name),
            event=escape(str(values.pop("event", ""))),
            values=_safe(values),
            exception=_traceback(record),
        )


class JSONFormatter(logging.Formatter):
    """One JSON object a line; a key of the caller's never takes the place of a fixed one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        entry = Entry.of(record)
        fixed: dict[str, Any] = {
            "timestamp": entry.timestamp,
            "level": entry.level,
            "logger": entry.logger,
            "event": entry.event,
        }
        if entry.exception:
            fixed["exception"] = "\n".join(entry.exception)
        free = {f"{key}_" if key in fixed else key: value for key, value in entry.values.items()}
        return msgspec.json.encode(fixed | free).decode()


class ConsoleFormatter(logging.Formatter):
    """One line a record; a traceback follows, indented and marked, so that it cannot be forged."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        entry = Entry.of(record)
        level = self._painted(f"{entry.level:7}", _COLOURS.get(record.levelno, ""))
        parts = [self._painted(entry.timestamp, _DIM), level, self._painted(entry.event, _BOLD)]
        for key, value in entry.values.items():
            parts.append(f"{self._painted(f'{key}=', _DIM)}{_word(value)}")
        parts.append(self._painted(f"[{entry.logger}]", _DIM))
        return "\n    | ".join([" ".join(parts), *entry.exception])

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and colour else text


_DIM, _BOLD = "2", "1"
_COLOURS = {
    logging.DEBUG: "36",
    logging.INFO: "32",
    logging.WARNING: "33",
    logging.ERROR: "31",
    logging.CRITICAL: "1;31",
}


def _word(value: Any) -> str:
    if isinstance(value, str) and value and not set(value) & set(' "=,[]{}'):
        return value
    return json.dumps(value, ensure_ascii=False)


def _safe(value: Any) -> Any:
    """Reduce a value to what JSON knows, with every text in it escaped."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and value in _JSON_INTEGERS:
        return int(value)
    if isinstance(value, Mapping):
        return {escape(str(key)): _safe(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(each) for each in value]
    return escape(str(value))


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[0] is None:
        return []
    text = "".join(traceback.format_exception(*record.exc_info))
    return [escape(line) for line in text.rstrip("\n").split("\n")]


def timestamp(created: float) -> str:
    """Write a Unix time in UTC with milliseconds, as ISO 8601, xsd:dateTime and RFC 5424 6.2.3 want it."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
    return f"{seconds}.{int(created * 1000) % 1000:03}Z"
