"""The running service from outside: what it logs, and how it starts."""

import pytest

from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image

PIXELS = bytes(300_000)


def entries(server, event):
    return [entry for entry in server.log_entries() if entry["event"] == event]


def wait_for_entry(server, event):
    server.wait_for(lambda: entries(server, event))
    return entries(server, event)[0]


def test_an_association_is_one_line(tmp_path):
    with engine(tmp_path / "storage") as server:
        with Sender(server.port) as sender:
            assert sender.echo() == Status.SUCCESS
            assert sender.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS
            sender.release()
        entry = wait_for_entry(server, "association released")
        assert (entry["calling"], entry["called"], entry["address"]) == ("PEER", "PORT104", "127.0.0.1")
        assert (entry["stored"], entry["echoes"]) == (1, 1)
        assert entry["bytes"] == len(image("1.2.1", b"pixels"))
        assert server.terminate() == 0


def test_no_data_is_logged_unless_a_setting_asks_for_it(tmp_path):
    with engine(tmp_path / "storage") as server:
        with Sender(server.port) as sender:
            sender.store("1.2.777", image("1.2.777", b"pixels"))
            sender.release()
        wait_for_entry(server, "association released")
        assert server.terminate() == 0
        assert "1.2.777" not in server.log.read_text()
        assert "Modality" not in server.log.read_text()


def test_log_dimse_datasets_logs_elements_but_no_pixels(tmp_path):
    with engine(tmp_path / "storage", scp={"logDimseDatasets": True}) as server:
        with Sender(server.port) as sender:
            sender.store("1.2.777", image("1.2.777", PIXELS))
            sender.release()
        entry = wait_for_entry(server, "data set")
        assert any("1.2.777" in line for line in entry["elements"])
        assert not any("Pixel Data" in line for line in entry["elements"])


def test_log_data_pdus_logs_headers(tmp_path):
    with engine(tmp_path / "storage", scp={"logDataPDUs": True}) as server:
        with Sender(server.port) as sender:
            assert sender.store("1.2.1", image("1.2.1", PIXELS)) == Status.SUCCESS
            assert sender.store("1.2.2", image("1.2.2", b"pixels")) == Status.SUCCESS
            sender.release()
        wait_for_entry(server, "association released")
        kinds = [entry["type"] for entry in entries(server, "PDU received")]
        assert kinds[0] == "ASSOCIATE_RQ"
        assert kinds[-1] == "RELEASE_RQ"
        assert set(kinds[1:-1]) == {"DATA_TF"}
        pdvs = entries(server, "PDV received")
        assert [pdv["message"] for pdv in pdvs][:2] == ["command", "data set"]
        assert sum(pdv["last"] for pdv in pdvs) == 4
        assert len(server.stored_files()) == 2


def test_control_characters_of_a_peer_are_escaped(tmp_path):
    with engine(tmp_path / "storage") as server:
        with pytest.raises(ConnectionError, match="PDU type 3"):
            Sender(server.port, calling_ae_title="EVIL\x1b[2J\r\nX")
        entry = wait_for_entry(server, "association rejected")
        raw = server.log.read_text()
        assert "\x1b" not in raw
        assert "\r" not in raw
        assert "EVIL" in entry["calling"]


# ---- starting ----


def test_a_port_in_use_is_said_in_one_message(tmp_path):
    with engine(tmp_path / "storage") as server:
        with (
            pytest.raises(AssertionError, match=r"dicom\.scp\.port"),
            engine(tmp_path / "other", scp={"port": server.port}),
        ):
            pass
        assert "Traceback" not in (tmp_path / "other.log").read_text()


def test_a_folder_in_use_is_said_in_one_message(tmp_path):
    with engine(tmp_path / "storage"):
        with (
            pytest.raises(AssertionError, match="in use by another port104"),
            engine(tmp_path / "second", storage={"temporary": str(tmp_path / "storage")}),
        ):
            pass
        assert "Traceback" not in (tmp_path / "second.log").read_text()
