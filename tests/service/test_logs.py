"""Logs: forms, escaping, levels, and that a log call never waits."""

import io
import json
import logging
import threading
from pathlib import Path

import pytest
import structlog

from port104.errors import ConfigurationError
from port104.service import logs
from port104.service.escaping import escape
from port104.service.settings.log import LogSettings

HOSTILE = {
    "CR LF": ("A\r\n2027 error forged", "A\\x0d\\x0a2027 error forged"),
    "ESC": ("\x1b[2J", "\\x1b[2J"),
    "NUL": ("A\x00", "A\\x00"),
    "C1 control": ("\x9b31m", "\\x9b31m"),
    "lone surrogate": ("\ud800", "\\ud800"),
    "line separator": ("\u2028", "\\u2028"),
    "bidirectional override": ("\u202egpj", "\\u202egpj"),
    "beyond the BMP": ("\U000e0001", "\\U000e0001"),
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def logged(call, stream=None, **settings):
    """What is written when `call` is given a logger."""
    stream = stream or io.StringIO()
    with logs.configured(LogSettings(**settings), stream):
        call(structlog.get_logger("port104.test"))
    return stream.getvalue()


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("text", "escaped"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["json", "console"])
def test_text_of_peers_is_escaped(text, escaped, form):
    def call(log):
        log.info(text, title=text, deep={text: [(text,)]}, raised=ValueError(text))
        logging.getLogger("foreign").warning("says %s", text)
        try:
            int(text)
        except ValueError as error:
            error.add_note(text)
            log.exception("failed")

    output = logged(call, format=form)
    assert all(line.isprintable() for line in output.split("\n"))
    if form == "json":
        first, foreign, failed = objects(output)
        assert first["event"] == first["title"] == first["raised"] == escaped
        assert first["deep"] == {escaped: [[escaped]]}
        assert foreign["event"] == f"says {escaped}"
        assert "\nValueError: " in failed["exception"]
    else:
        heads = [line for line in output.splitlines() if not line.startswith("    | ")]
        assert len(heads) == 3
        assert escaped in heads[0]
        assert heads[1].endswith("[foreign]")


@pytest.mark.parametrize("text", ["Müller^Jürgen", "山田^太郎", "a\\b", "plain"])
def test_printable_text_is_left_as_it_is(text):
    assert escape(text) == text
    [entry] = objects(logged(lambda log: log.info("x", name=text), format="json"))
    assert entry["name"] == text
    assert text in logged(lambda log: log.info("x", name=text), format="console")


def test_a_json_line():
    [entry] = objects(logged(lambda log: log.warning("full", disk="/x", free=1.5, level=3)))
    assert entry.pop("timestamp")[10:11] == "T"
    assert entry == {
        "level": "warning",
        "logger": "port104.test",
        "event": "full",
        "disk": "/x",
        "free": 1.5,
        "level_": 3,
    }


def test_values_that_json_does_not_know():
    values = {"big": 2**70, "set": {1}, "bytes": b"\x1b", "nan": float("nan"), "path": Path("/x")}
    [entry] = objects(logged(lambda log: log.info("x", values=values)))
    assert entry["values"] == {
        "big": str(2**70),
        "set": [1],
        "bytes": "b'\\x1b'",
        "nan": None,
        "path": "/x",
    }


def test_a_console_line():
    output = logged(lambda log: log.info("stored", uid="1.2", why="a b", n=1), format="console")
    assert output.partition("Z ")[2] == 'info    stored uid=1.2 why="a b" n=1 [port104.test]\n'


def test_context_and_exceptions_from_elsewhere():
    def call(log):
        with structlog.contextvars.bound_contextvars(association=7):
            log.error("failed", exc_info=ValueError("why"))
            logging.getLogger("foreign").error("failed", exc_info=ValueError("why"))

    ours, foreign = objects(logged(call))
    assert ours["association"] == 7
    assert ours["exception"] == foreign["exception"] == "ValueError: why"


@pytest.mark.parametrize(
    ("form", "terminal", "expected"),
    [
        ("auto", True, "colours"),
        ("auto", False, "json"),
        ("json", True, "json"),
        ("console", False, "plain"),
    ],
)
def test_the_form_follows_the_stream(monkeypatch, form, terminal, expected):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal() if terminal else io.StringIO()
    output = logged(lambda log: log.info("x"), stream, format=form)
    assert ("\x1b[" in output) is (expected == "colours")
    assert output.startswith("{") is (expected == "json")


def test_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    output = logged(lambda log: log.info("x"), Terminal())
    assert output.endswith("info    x [port104.test]\n")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error", "fatal"]),
        ("warning", ["warning", "error", "fatal"]),
        ("fatal", ["fatal"]),
    ],
)
def test_levels(level, expected):
    def call(log):
        for name in ("debug", "info", "warning", "error", "critical"):
            getattr(log, name)("x")
            getattr(logging.getLogger("foreign"), name)("x")

    seen = [entry["level"] for entry in objects(logged(call, level=level))]
    assert seen == [name for name in expected for _ in range(2)]


def test_the_file_gets_the_same(tmp_path: Path):
    file = tmp_path / "new" / "port104.log"
    output = logged(lambda log: log.info("x", n=1), file=str(file))
    assert file.read_text() == output
    console = tmp_path / "console.log"
    logged(lambda log: log.info("x"), Terminal(), file=str(console), format="console")
    assert "\x1b" not in console.read_text()


def test_a_file_that_cannot_be_written(tmp_path: Path):
    settings = LogSettings(file=str(tmp_path))
    with (
        pytest.raises(ConfigurationError, match=r"log\.file: .* cannot be written: Is a directory"),
        logs.configured(settings, io.StringIO()),
    ):
        pass
    assert logging.getLogger().handlers


class StuckStream(io.StringIO):
    """Writes nothing until it is let go."""

    def __init__(self):
        super().__init__()
        self.stuck = threading.Event()
        self.let_go = threading.Event()

    def write(self, text):
        self.stuck.set()
        self.let_go.wait()
        return super().write(text)


def test_a_log_call_does_not_wait_and_what_is_dropped_is_counted(monkeypatch):
    monkeypatch.setattr(logs, "_MOST_WAITING", 3)
    stream = StuckStream()

    def call(log):
        log.info("the thread hangs on this one")
        stream.stuck.wait()
        for number in range(10):  # returns, or the test hangs
            log.info("waits", number=number)
        stream.let_go.set()

    entries = objects(logged(call, stream))
    assert [entry.get("number") for entry in entries[1:4]] == [0, 1, 2]
    assert entries[4]["event"] == "log records dropped: they came too fast"
    assert entries[4]["count"] == 7


def test_rendering_happens_in_the_log_thread():
    threads = []

    class Value:
        def __str__(self):
            threads.append(threading.current_thread())
            return "x"

    logged(lambda log: log.info("x", value=Value()))
    assert threads
    assert threading.main_thread() not in threads


def test_all_is_put_back():
    before = logging.getLogger().handlers, logging.getLogger().level, structlog.get_config()
    logged(lambda log: log.info("x"), level="error")
    assert (
        logging.getLogger().handlers,
        logging.getLogger().level,
        structlog.get_config(),
    ) == before


def test_another_level_holds_at_once_and_ends_with_the_block():
    before = logging.getLogger().level

    def call(log):
        log.info("before")
        logs.set_level("debug")
        log.debug("more")
        logs.set_level("error")
        log.warning("less")

    assert [entry["event"] for entry in objects(logged(call, level="info"))] == ["before", "more"]
    assert logging.getLogger().level == before
