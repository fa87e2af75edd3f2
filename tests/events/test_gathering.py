"""Files of a request are found in the folder of their attempt, and nowhere else."""

import pytest

from port104.events.forms import FileExportStatus
from port104.events.gathering import gather
from port104.jobs.ledger.requests import Request
from stored_file import put

RUN = "587ff194427e857f"


@pytest.fixture
def root(tmp_path):
    """A storage folder with a run that left a.dcm, and a file that is none of it."""
    (tmp_path / "runs" / RUN / "1" / "output" / "deep").mkdir(parents=True)
    (tmp_path / "runs" / RUN / "1" / "dcm").mkdir()
    leave(tmp_path, "output/a.dcm")
    leave(tmp_path, "../2/secret.dcm", "1.2.666")
    return tmp_path


def leave(root, name, instance="1.2.3"):
    path = root / "runs" / RUN / "1" / name
    path.parent.mkdir(exist_ok=True)
    put(root / "aside", instance).rename(path)


def gathered(root, *files, destinations=("PACS",), unknown=()):
    request = Request(
        message_id="m1",
        workflow_instance_id="w",
        export_task_id="t",
        correlation_id="c",
        run_id=RUN,
        attempt=1,
        files=tuple(f"runs/{RUN}/1/{file}" for file in files),
        destinations=destinations,
    )
    return [
        (
            each.path.removeprefix(f"runs/{RUN}/1/"),
            each.destination,
            each.result and each.result.file.removeprefix(f"runs/{RUN}/1/"),
            each.status,
        )
        for each in gather(root, request, unknown)
    ]


def test_what_a_run_left_stays_there_and_the_rest_is_copied(root):
    leave(root, "dcm/1.2.4.dcm", "1.2.4")
    one, other = gathered(root, "output/a.dcm", "dcm/1.2.4.dcm")
    assert one == ("output/a.dcm", "PACS", "output/a.dcm", None)
    assert other[:2] == ("dcm/1.2.4.dcm", "PACS")
    assert other[2].startswith("registered/")
    assert (root / "runs" / RUN / "1" / other[2]).is_file()


def test_each_file_is_for_each_destination(root):
    leave(root, "output/deep/b.dcm", "1.2.5")
    found = gathered(root, "output/a.dcm", "output/deep/b.dcm", destinations=("PACS", "RIS"))
    assert [each[:3] for each in found] == [
        (file, destination, file)
        for file in ("output/a.dcm", "output/deep/b.dcm")
        for destination in ("PACS", "RIS")
    ]


def test_a_request_for_a_destination_that_is_not_there_sends_nothing(root):
    found = gathered(root, "output/a.dcm", destinations=("PACS", "NOWHERE"), unknown=["NOWHERE"])
    assert {each[2:] for each in found} == {(None, FileExportStatus.CONFIGURATION_ERROR)}
    assert len(found) == 2


def test_what_is_not_there_or_is_no_dicom_has_a_status_and_the_rest_is_sent(root):
    (root / "runs" / RUN / "1" / "log").write_text("no DICOM")
    (root / "runs" / RUN / "1" / "output" / "b.txt").write_text("neither")
    found = gathered(root, "log", "output/a.dcm", "output/none.dcm", "output/b.txt", "output/deep")
    assert {each[0]: each[2:] for each in found} == {
        "output/a.dcm": ("output/a.dcm", None),
        "log": (None, FileExportStatus.UNSUPPORTED_DATA_TYPE),
        "output/b.txt": (None, FileExportStatus.UNSUPPORTED_DATA_TYPE),
        "output/none.dcm": (None, FileExportStatus.DOWNLOAD_ERROR),
        "output/deep": (None, FileExportStatus.DOWNLOAD_ERROR),
    }


def test_no_link_leads_out_of_the_folder(root, tmp_path_factory):
    """Of a run, or of an attempt: a pipeline may have left any."""
    output = root / "runs" / RUN / "1" / "output"
    outside = tmp_path_factory.mktemp("outside")
    put(outside, "1.2.9").rename(outside / "x.dcm")
    (output / "file.dcm").symlink_to(outside / "x.dcm")
    (output / "folder").symlink_to(outside)
    (output / "attempt").symlink_to("../../2")
    (output / "within").symlink_to("deep")
    leave(root, "output/deep/c.dcm", "1.2.7")
    names = ["output/file.dcm", "output/folder/x.dcm", "output/attempt/secret.dcm", "output/within/c.dcm"]
    found = {each[0]: each[2:] for each in gathered(root, *names)}
    refused = (None, FileExportStatus.DOWNLOAD_ERROR)
    assert found == {
        **dict.fromkeys(names[:3], refused),
        "output/within/c.dcm": ("output/deep/c.dcm", None),
    }


def test_a_folder_that_is_a_link_itself_is_none(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    put(outside, "1.2.9").rename(outside / "x.dcm")
    (root / "runs" / "aaaaaaaaaaaaaaaa").mkdir()
    (root / "runs" / "aaaaaaaaaaaaaaaa" / "1").symlink_to(outside)
    request = Request(
        message_id="m1",
        workflow_instance_id="w",
        export_task_id="t",
        correlation_id="c",
        run_id="aaaaaaaaaaaaaaaa",
        attempt=1,
        files=("runs/aaaaaaaaaaaaaaaa/1/x.dcm",),
        destinations=("PACS",),
    )
    (each,) = gather(root, request, ())
    assert each.status == FileExportStatus.DOWNLOAD_ERROR


def test_a_run_that_is_not_there_has_no_files(tmp_path):
    assert gathered(tmp_path, "output/a.dcm") == [
        ("output/a.dcm", "PACS", None, FileExportStatus.DOWNLOAD_ERROR)
    ]
    assert not (tmp_path / "runs").exists()
