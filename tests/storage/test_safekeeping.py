"""What storage commitment may say of instances: files that are there, and synced."""

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from port104.storage import safekeeping
from port104.storage.safekeeping import Safekeeping
from port104.wire.command import Status
from port104.wire.commitment import Failure, Reference
from raw_peer import SECONDARY_CAPTURE
from stored_file import put

HELD, OTHER = Reference(SECONDARY_CAPTURE, "1.2.3"), Reference(SECONDARY_CAPTURE, "1.2.4")


@pytest.fixture
def synced(monkeypatch):
    """What was synced, in order; a path in `failing` fails, and is told of once."""
    sync = os.fsync

    def fsync(descriptor):
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        paths.append(path)
        if path in paths.failing:
            paths.failing.remove(path)
            raise OSError(errno.EIO, "lost")
        sync(descriptor)

    class Paths(list):
        pass

    paths = Paths()
    paths.failing = []
    monkeypatch.setattr(safekeeping.os, "fsync", fsync)
    return paths


def test_what_is_held_is_synced_with_its_name(tmp_path, synced):
    path = put(tmp_path, "1.2.3")
    assert Safekeeping(tmp_path).failures("PORT104", [HELD]) == []
    assert sorted(synced) == sorted([str(path.parent), str(path)])


def test_a_folder_is_synced_once(tmp_path, synced):
    put(tmp_path, "1.2.3")
    assert Safekeeping(tmp_path).failures("PORT104", [HELD, HELD]) == []
    assert len(synced) == 3


def test_what_is_not_there_is_not_held(tmp_path, synced):
    put(tmp_path, "1.2.3", called="OTHER")
    assert Safekeeping(tmp_path).failures("PORT104", [HELD]) == [Failure(HELD, Status.NO_SUCH_SOP_INSTANCE)]
    assert synced == []


def test_of_another_class_it_is_another_instance(tmp_path):
    put(tmp_path, "1.2.3")
    asked = Reference("1.2.840.10008.5.1.4.1.1.2", "1.2.3")
    assert Safekeeping(tmp_path).failures("PORT104", [asked]) == [
        Failure(asked, Status.CLASS_INSTANCE_CONFLICT)
    ]


def test_all_that_came_under_a_uid_is_synced(tmp_path, synced):
    path = put(tmp_path, "1.2.3")
    copy = path.with_name(f"{path.stem}.1.dcm")
    copy.write_bytes(path.read_bytes())
    assert Safekeeping(tmp_path).failures("PORT104", [HELD]) == []
    assert {str(path), str(copy)} < set(synced)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_could_not_be_synced_is_lost_for_good(tmp_path, synced, what):
    path = put(tmp_path, "1.2.3")
    put(tmp_path, "1.2.4")
    synced.failing.append(str(path if what == "file" else path.parent))
    keeping = Safekeeping(tmp_path)
    failed = [Failure(HELD, Status.PROCESSING_FAILURE)]
    assert keeping.failures("PORT104", [HELD, OTHER]) == failed
    assert keeping.failures("PORT104", [HELD, OTHER]) == failed


def test_what_cannot_be_read_is_not_held(tmp_path, monkeypatch):
    put(tmp_path, "1.2.3")

    failures = [
        (PermissionError(), Status.PROCESSING_FAILURE),
        (FileNotFoundError(), Status.NO_SUCH_SOP_INSTANCE),
    ]
    for failure, status in failures:
        monkeypatch.setattr(safekeeping, "read_meta", Mock(side_effect=failure))
        assert Safekeeping(tmp_path).failures("PORT104", [HELD]) == [Failure(HELD, status)]
