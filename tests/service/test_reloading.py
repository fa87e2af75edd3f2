"""The configuration read again: what is taken over, what waits, and that a fault changes nothing."""

import json

import pytest
import structlog.testing
import trio

from port104.errors import ConfigurationError
from port104.service import reloading, schema
from port104.service.reloading import (
    RELOADED,
    WAITING,
    Looks,
    Reloader,
    Sources,
    difference,
    is_in,
)
from port104.service.secure import HangUp
from port104.service.settings.audit import AuditSettings
from port104.service.settings.log import LogSettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.sources import SourceSettings
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tls import TlsSettings
from port104.service.settings.tree import DicomSettings, Settings

LEAVES = {path: key for path, key in schema.leaves(Settings) if "[" not in path}


@pytest.mark.parametrize("path", LEAVES)
def test_a_setting_is_reloaded_or_waits(path):
    tables = is_in(path, RELOADED) + is_in(path, WAITING)
    assert tables == 1 or ("unused" in LEAVES[path].extra and tables == 0)


def test_the_tables_name_settings_that_there_are():
    for each in (*RELOADED, *WAITING):
        assert any(is_in(path, (each,)) for path in LEAVES), each


def test_what_can_change_is_taken_over_and_the_rest_stays():
    running = Settings(storage=StorageSettings(temporary="/old", watermark_percent=85))
    read = Settings(
        dicom=DicomSettings(
            scp=ScpSettings(
                port=105,
                idle_timeout=7,
                sources=(SourceSettings(ae_title="CT1", host_ip="10.0.0.5"),),
                maximum_length_received=5000,
                tls=TlsSettings(port=2763, handshake_timeout=3),
            )
        ),
        storage=StorageSettings(temporary="/new", watermark_percent=90),
        log=LogSettings(level="debug", file="x.log"),
        audit=AuditSettings(site_id="s"),
    )
    found = difference(running, read)
    assert found.changed == (
        "dicom.scp.tls.handshakeTimeout",
        "dicom.scp.sources",
        "dicom.scp.idleTimeout",
        "storage.watermarkPercent",
        "log.level",
    )
    assert found.waiting == (
        "dicom.scp.port",
        "dicom.scp.tls.port",
        "dicom.scp.maximumLengthReceived",
        "storage.temporary",
        "log.file",
        "audit.siteId",
    )
    settings, scp = found.settings, found.settings.dicom.scp
    assert (scp.port, scp.idle_timeout, scp.maximum_length_received) == (104, 7, 1_048_576)
    assert (scp.tls.port, scp.tls.handshake_timeout) == (2762, 3)
    assert (settings.storage.temporary, settings.storage.watermark_percent) == ("/old", 90)
    assert (settings.log.level, settings.log.file) == ("debug", None)
    assert scp.sources == read.dicom.scp.sources
    assert settings.audit == running.audit


def test_nothing_differs_from_itself():
    assert difference(Settings(), Settings()) == reloading.Difference(Settings(), (), ())


OLD, HALF, NEW = (1, 1, 10), (2, 2, 0), (2, 3, 11)


@pytest.mark.parametrize(
    ("states", "changed"),
    [
        ([OLD, OLD], [False, False]),
        ([NEW, NEW, NEW], [False, True, False]),
        ([HALF, NEW, NEW], [False, False, True]),
        ([HALF, OLD, OLD], [False, False, False]),
        ([None, None, None, OLD, OLD], [False, True, False, False, True]),
        ([NEW, NEW, OLD, OLD], [False, True, False, True]),
    ],
)
def test_two_looks_that_agree_make_a_changed_file(states, changed):
    looks = Looks(OLD)
    assert [looks.look(state) for state in states] == changed


class Follower:
    """Records what it is to work by."""

    def __init__(self):
        self.followed = []
        self.fault = None

    async def follow(self, before, settings, origins, *, files_too):
        if self.fault is not None:
            raise self.fault
        self.followed.append((before.log.level, settings.log.level, origins, files_too))


@pytest.fixture
def said():
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def file(tmp_path):
    return tmp_path / "site.json"


@pytest.fixture
async def reload(file, nursery):
    """Starts a reloader over the file; gives it, and tells it of SIGHUP."""
    file.write_text('{"log": {"level": "info"}}')
    sources = Sources(file, {}, {})
    reload = Follower()
    reload.hang_up = HangUp()
    reloader = Reloader(sources.load().settings, sources, reload)
    nursery.start_soon(reloader.run, reload.hang_up)
    return reload


@pytest.fixture
def quick(monkeypatch):
    """Look all the time: threads do, and no clock of trio's waits for those."""
    monkeypatch.setattr(reloading, "LOOK_SECONDS", 0.005)


async def until(condition):
    """Wait for what a thread does."""
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.005)


def write(file, text):
    """Put a file in place at once, so that half of it is never seen."""
    new = file.with_name("new")
    new.write_text(text)
    new.rename(file)


async def test_a_changed_file_is_followed(reload, file, said, quick):
    write(file, json.dumps({"log": {"level": "debug", "file": "x"}, "dicom": {"scp": {"port": 105}}}))
    await until(lambda: reload.followed)
    assert reload.followed == [
        ("info", "debug", {path: str(file) for path in ("log.level", "log.file", "dicom.scp.port")}, False)
    ]
    await until(lambda: len(said) >= 2)
    by_event = {entry["event"]: entry for entry in said}
    assert by_event["configuration read again"]["changed"] == ("log.level",)
    waiting = by_event["settings that differ hold from the next start on"]
    assert waiting["settings"] == ("dicom.scp.port", "log.file")
    assert any("aeTitles is empty" in event for event in by_event)
    write(file, '{"log": {"level": "error"}}')
    await until(lambda: len(reload.followed) == 2)
    assert reload.followed[1][:2] == ("debug", "error")


async def test_a_hang_up_reads_again_what_has_not_changed(reload, said, quick):
    reload.hang_up.ring()
    await until(lambda: reload.followed)
    assert reload.followed[0][3]
    await until(lambda: any(entry.get("changed") == () for entry in said))
    assert not any("hold from the next start on" in entry["event"] for entry in said)


async def test_a_fault_changes_nothing_and_is_said_once(reload, file, said, quick):
    write(file, '{"log": {"level": "debgu"}, "dicom": {"scp": {"prot": 1}}}')
    await until(lambda: said)
    await trio.sleep(20 * reloading.LOOK_SECONDS)
    [entry] = said
    assert entry["event"] == "the configuration is faulty: all stays as it was"
    assert len(entry["faults"]) == 2
    assert any("did you mean dicom.scp.port?" in fault for fault in entry["faults"])
    file.unlink()
    await until(lambda: len(said) == 2)
    assert "cannot be read" in said[1]["faults"][0]
    assert reload.followed == []
    write(file, '{"log": {"level": "debug"}}')
    await until(lambda: reload.followed)
    assert reload.followed[0][:2] == ("info", "debug")


@pytest.mark.parametrize(
    "fault", [ConfigurationError("no such passcode file"), RuntimeError("a fault of ours")]
)
async def test_what_cannot_be_followed_ends_nothing(reload, file, said, quick, fault):
    reload.fault = fault
    reload.hang_up.ring()
    await until(lambda: said)
    assert said[0]["log_level"] == "error"
    reload.fault = None
    write(file, '{"log": {"level": "debug"}}')
    await until(lambda: reload.followed)
    assert reload.followed[0][:2] == ("info", "debug")


async def test_without_a_file_a_hang_up_reads_the_environment_again(nursery, said, quick):
    environ = {}
    follower, hang_up = Follower(), HangUp()
    nursery.start_soon(Reloader(Settings(), Sources(None, environ, {}), follower).run, hang_up)
    environ["PORT104_LOG__LEVEL"] = "warning"
    hang_up.ring()
    await until(lambda: follower.followed)
    assert follower.followed[0][1] == "warning"


async def test_who_is_busy_misses_no_hang_up():
    hang_up = HangUp()
    heard = hang_up.times
    hang_up.ring()
    with trio.fail_after(1):
        await hang_up.wait(heard)
