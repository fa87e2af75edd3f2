"""Logs: structlog on top of the standard library's logging, written by a thread of their own.

Rules kept here:

- A log call never waits for a disk or a terminal: it puts the record on a queue. When the queue is
  full the record is dropped and counted, and the count is logged once there is room.
- Rendering, tracebacks included, is the log thread's work (log_format.py).
"""

import contextlib
import logging
import os
import queue
import sys
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any, TextIO

import structlog

from port104.errors import ConfigurationError
from port104.service.log_format import ConsoleFormatter, JSONFormatter
from port104.service.rotation import RotatingLogFile
from port104.service.settings.log import LogSettings

# A few MB; some seconds of a very talkative service.
_MOST_WAITING = 10_000

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}


@contextlib.contextmanager
def configured(settings: LogSettings, stream: TextIO | None = None) -> Iterator[None]:
    """Log as the settings say until the block ends, which writes all that is queued.

    `stream` takes the place of standard error. Raises ConfigurationError when the log file cannot
    be opened.
    """
    handlers = [_stream_handler(settings, stream or sys.stderr), *_file_handlers(settings)]
    enqueue = EnqueueHandler(_MOST_WAITING)
    listener = QueueListener(enqueue.queue, *handlers)
    root = logging.getLogger()
    handlers_before, level_before = root.handlers, root.level
    root.handlers = [enqueue]
    set_level(settings.level)
    listener.start()
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers = handlers_before
        root.setLevel(level_before)
        enqueue.report_dropped()
        listener.stop()
        for handler in handlers:
            handler.close()


def set_level(level: str) -> None:
    """Log what is at least this severe from now on (LogSettings.level), while `configured` holds."""
    logging.getLogger().setLevel(_LEVELS[level])
    _configure_structlog(_LEVELS[level])


class EnqueueHandler(QueueHandler):
    """Puts records on a queue that holds at most `most_waiting`; never waits."""

    queue: "queue.SimpleQueue[Any]"

    def __init__(self, most_waiting: int) -> None:
        super().__init__(queue.SimpleQueue())
        self._most_waiting = most_waiting
        self._dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Settle what only the calling thread knows; rendering comes later."""
        if isinstance(record.msg, dict):  # from structlog
            exception = record.msg.pop("exc_info", None)
            if isinstance(exception, BaseException):
                record.exc_info = (type(exception), exception, exception.__traceback__)
            elif exception:
                record.exc_info = exception if isinstance(exception, tuple) else sys.exc_info()
        else:
            record.msg, record.args = record.getMessage(), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue the record, or count it as dropped."""
        if self.queue.qsize() >= self._most_waiting:
            self._dropped += 1
            return
        self.report_dropped()
        self.queue.put_nowait(record)

    def report_dropped(self) -> None:
        """Queue a record of how many were dropped, if any were."""
        if not self._dropped:
            return
        message = {"event": "log records dropped: they came too fast", "count": self._dropped}
        self._dropped = 0
        origin = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
        self.queue.put_nowait(logging.makeLogRecord({**origin, "msg": message}))


def _configure_structlog(level: int) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _stream_handler(settings: LogSettings, stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    terminal = stream.isatty()
    if settings.format == "console" or (settings.format == "auto" and terminal):
        handler.setFormatter(ConsoleFormatter(colours=terminal and not os.environ.get("NO_COLOR")))
    else:
        handler.setFormatter(JSONFormatter())
    return handler


def _file_handlers(settings: LogSettings) -> Iterator[logging.Handler]:
    if settings.file is None:
        return
    try:
        handler = RotatingLogFile(
            Path(settings.file),
            maximum_size=settings.maximum_file_size,
            retained_files=settings.retained_files,
        )
    except OSError as error:
        raise ConfigurationError(f"log.file: {settings.file} cannot be written: {error.strerror}") from error
    console = settings.format == "console"
    handler.setFormatter(ConsoleFormatter(colours=False) if console else JSONFormatter())
    yield handler
