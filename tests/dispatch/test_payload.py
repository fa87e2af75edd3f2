"""The folder of an attempt: what is in it, and what happens where it cannot be made."""

import errno
import json
from pathlib import Path

import pytest

from port104.dispatch.payload import build, folder_of
from port104.errors import StorageError
from port104.jobs.ledger.members import Member
from port104.jobs.ledger.runs import Run
from stored_file import put

RUN = Run("r1", "j1", "g1", "PORT104", "lung", "8ee3", "port104-lung-20231114221320", 1, 1, 5.0)


def member(root, instance, *, node="n1", path=None):
    path = path or put(root, instance)
    return Member(
        node,
        str(root),
        "host-of-n2",
        f"{path.parent.name}/{path.name}",
        1_700_000_000.5,
        "CT1",
        "1.2.840.10008.5.1.4.1.1.7",
        instance,
        "1.2.3",
        "1.2.3.1",
    )


def is_node(root, node):
    root.mkdir(exist_ok=True)
    (root / "node").write_text(f"{node}\n")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_instances_are_hard_links_under_their_uids(tmp_path):
    members = [member(tmp_path, "1.2.3.4"), member(tmp_path, "1.2.3.5")]
    folder = build(tmp_path, "n1", RUN, members)
    assert folder == tmp_path / "runs" / "r1" / "1"
    stored = tmp_path / "instances" / members[0].file
    assert (folder / "dcm" / "1.2.3.4.dcm").samefile(stored)
    assert names(folder) == ["dcm", "manifest.json", "output"]
    assert json.loads((folder / "manifest.json").read_bytes()) == {
        "version": 1,
        "run": "r1",
        "job": "j1",
        "group": "g1",
        "name": "port104-lung-20231114221320",
        "attempt": 1,
        "aeTitle": "PORT104",
        "pipeline": {"name": "lung", "id": "8ee3"},
        "instances": [
            {
                "file": f"dcm/{each.sop_instance_uid}.dcm",
                "sopClassUid": each.sop_class_uid,
                "sopInstanceUid": each.sop_instance_uid,
                "studyInstanceUid": "1.2.3",
                "seriesInstanceUid": "1.2.3.1",
                "callingAeTitle": "CT1",
                "received": "2023-11-14T22:13:20.500Z",
            }
            for each in members
        ],
    }


def test_a_whole_payload_is_left_as_it_is(tmp_path):
    folder = build(tmp_path, "n1", RUN, [member(tmp_path, "1.2.3.4")])
    (folder / "output" / "result").write_text("half done")
    assert build(tmp_path, "n1", RUN, []) == folder
    assert (folder / "output" / "result").exists()


def test_half_a_payload_is_made_anew(tmp_path):
    folder = folder_of(tmp_path, RUN)
    (folder / "dcm").mkdir(parents=True)
    (folder / "dcm" / "1.2.3.4.dcm").write_text("of an earlier start")
    build(tmp_path, "n1", RUN, [member(tmp_path, "1.2.3.4")])
    assert (folder / "dcm" / "1.2.3.4.dcm").read_bytes()[128:132] == b"DICM"


@pytest.mark.parametrize("uid", ["../../../etc/passwd", "", "1.2/3", "1" * 65, ".1"])
def test_what_is_no_uid_becomes_no_name(tmp_path, uid):
    path = put(tmp_path, "1.2.3.4")
    folder = build(tmp_path, "n1", RUN, [member(tmp_path, uid, path=path)])
    assert names(folder / "dcm") == [path.name]


def test_copies_of_one_uid_stand_side_by_side(tmp_path):
    first = put(tmp_path, "1.2.3.4")
    other = first.with_name(first.name.replace(".dcm", ".1.dcm"))
    other.write_bytes(b"other bytes")
    folder = build(tmp_path, "n1", RUN, [member(tmp_path, "1.2.3.4", path=path) for path in (first, other)])
    assert names(folder / "dcm") == ["1.2.3.4.1.dcm", "1.2.3.4.dcm"]


def test_what_two_engines_received_is_there_once(tmp_path):
    ours, theirs = tmp_path / "a", tmp_path / "b"
    is_node(theirs, "n2")
    members = [
        member(ours, "1.2.3.4"),
        member(theirs, "1.2.3.4", node="n2"),
        member(theirs, "1.2.3.5", node="n2"),
    ]
    folder = build(ours, "n1", RUN, members)
    assert names(folder / "dcm") == ["1.2.3.4.dcm", "1.2.3.5.dcm"]
    assert len(json.loads((folder / "manifest.json").read_bytes())["instances"]) == 2


def test_on_another_file_system_it_is_a_copy(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    one = member(tmp_path, "1.2.3.4")
    folder = build(tmp_path, "n1", RUN, [one])
    stored = tmp_path / "instances" / one.file
    assert (folder / "dcm" / "1.2.3.4.dcm").read_bytes() == stored.read_bytes()
    assert not (folder / "dcm" / "1.2.3.4.dcm").samefile(stored)


def test_an_instance_that_is_gone_is_said(tmp_path):
    one = member(tmp_path, "1.2.3.4")
    (tmp_path / "instances" / one.file).unlink()
    with pytest.raises(StorageError, match=r"an instance of the job is gone: .*; restore the file"):
        build(tmp_path, "n1", RUN, [one])


@pytest.mark.parametrize("there", ["nothing", "another folder", "ours"])
def test_an_instance_on_another_machine_is_said(tmp_path, there):
    """Where machines have their folders at the same path, what stands there is no other's."""
    far = tmp_path if there == "ours" else tmp_path / "far"
    is_node(tmp_path, "n1")
    one = member(far, "1.2.3.4", node="n2")
    if there == "nothing":
        (tmp_path / "far").rename(tmp_path / "away")
    elif there == "another folder":
        is_node(far, "n3")
    with pytest.raises(StorageError, match=r"on host-of-n2 \(node n2\), which is not there on this machine"):
        build(tmp_path, "n1", RUN, [one])


def test_an_instance_that_is_gone_from_a_folder_that_is_reached_is_said(tmp_path):
    is_node(tmp_path / "far", "n2")
    one = member(tmp_path / "far", "1.2.3.4", node="n2")
    (tmp_path / "far" / "instances" / one.file).unlink()
    with pytest.raises(StorageError, match="an instance of the job is gone"):
        build(tmp_path, "n1", RUN, [one])


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(StorageError, match="the payload of run r1 cannot be made: No space left on device"):
        build(tmp_path, "n1", RUN, [member(tmp_path, "1.2.3.4")])
