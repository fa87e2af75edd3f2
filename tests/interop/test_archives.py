"""An archive tells how many instances there will be: Orthanc, by C-FIND, while DCMTK's storescu sends."""

import pydicom
import pytest
from pydicom.data import get_testdata_file

from engine_process import engine, free_port
from orthanc_process import orthanc
from peers import run_peer

pytestmark = [pytest.mark.peer, pytest.mark.slow]

COMPLETE = "all that were announced are there"


def ae_title(name, group_by):
    # By its timeout no group is closed in this test.
    return {
        "aeTitle": name,
        "processorSettings": {"timeout": 600, "groupBy": group_by, "expectedFrom": "ARCHIVE"},
    }


def write_instances(folder):
    """Five instances of one study: three of its first series, two of the second."""
    data_set = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    data_set.StudyInstanceUID = "1.2.3"
    files = []
    for number in range(5):
        data_set.SeriesInstanceUID = f"1.2.3.{1 + number // 3}"
        data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number}"
        files.append(folder / f"{number}.dcm")
        data_set.save_as(files[-1])
    return files


def test_a_group_is_closed_once_all_are_there_that_the_archive_has(tmp_path):
    (files_of_orthanc := tmp_path / "orthanc").mkdir()
    files, dicom_port = write_instances(tmp_path), free_port()
    destination = {"name": "ARCHIVE", "aeTitle": "ORTHANC", "hostIp": "127.0.0.1", "port": dicom_port}
    settings = {
        # Whom Orthanc knows it answers.
        "scu": {"aeTitle": "PORT104", "destinations": [destination]},
        "scp": {"aeTitles": [ae_title("STUDIES", "0020,000D"), ae_title("SERIES", "0020,000E")]},
    }
    with (
        orthanc(files_of_orthanc, free_port(), dicom_port) as archive,
        engine(tmp_path / "storage", **settings) as server,
    ):

        def send(called, some):
            code, output = run_peer("storescu", "-aec", called, "127.0.0.1", server.port, *some)
            assert code == 0, output

        def closed():
            return sorted(
                (entry["called"], entry["instances"], entry["reason"])
                for entry in server.log_entries()
                if entry["event"] == "group closed"
            )

        for file in files:
            archive.upload(file.read_bytes())
        send("STUDIES", files[:4])
        send("SERIES", files)
        of_series = [("SERIES", 2, COMPLETE), ("SERIES", 3, COMPLETE)]
        server.wait_for(lambda: closed() == of_series, seconds=20)
        send("STUDIES", files[4:])
        server.wait_for(lambda: closed() == [*of_series, ("STUDIES", 5, COMPLETE)], seconds=20)
        assert not [entry for entry in server.log_entries() if entry["level"] == "warning"]
