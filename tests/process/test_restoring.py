"""What is lost comes back: databases from their backups, what a backup lacks from the stored files."""

import json
import shutil
import sqlite3

import psycopg
import pytest

from engine_process import engine
from sender import send_images

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def settings(tmp_path):
    """Each run is a folder in `tmp_path / "runs"`."""
    folder = tmp_path / "runs"
    folder.mkdir()
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-put": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [{"name": "put", "id": "c0", "folder": str(folder)}],
        "log": {"format": "json"},
    }


def send(server, study):
    send_images(server.port, [f"{study}.{number}" for number in range(3)], study=study)


def back_up(folder, name, to):
    """As `sqlite3 NAME ".backup COPY"` does."""
    with sqlite3.connect(folder / name) as source, sqlite3.connect(to / name) as copy:
        source.backup(copy)
    source.close()
    copy.close()


def studies_run(tmp_path):
    """Of each run that there was, how many instances of which study it had."""
    return sorted(
        (next(run.glob("dcm/*")).name.rsplit(".", 2)[0], len(list(run.glob("dcm/*"))))
        for run in (tmp_path / "runs").glob("[!.]*")  # those that are whole
    )


def test_with_a_backup_only_what_came_after_it_is_new(tmp_path, settings):
    folder, kept = tmp_path / "payloads", tmp_path / "backup"
    kept.mkdir()
    with engine(folder, **settings) as server:
        server.command("create", "src", "-a", "CT1", "-i", "10.0.0.5")
        send(server, "1.1")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 1, 20)
        for name in ("registry.sqlite3", "ledger.sqlite3"):
            back_up(folder, name, kept)
        send(server, "1.2")
        server.kill()
    for file in folder.glob("*.sqlite3*"):
        file.unlink()
    for file in kept.iterdir():
        file.rename(folder / file.name)
    with engine(folder, **settings) as server:
        server.wait_for(lambda: len(studies_run(tmp_path)) >= 2, 20)
        assert "CT1" in server.command("list", "src")
        assert len(server.command("instances").splitlines()) == 6
        assert server.terminate() == 0
    assert studies_run(tmp_path) == [("1.1", 3), ("1.2", 3)]


def test_without_one_the_ledger_is_made_of_the_files_and_all_is_run_again(tmp_path, settings):
    folder = tmp_path / "payloads"
    with engine(folder, **settings) as server:
        send(server, "1.1")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 1, 20)
        assert server.terminate() == 0
    for file in folder.glob("ledger.sqlite3*"):
        file.unlink()
    with engine(folder, **settings) as server:
        server.wait_for(lambda: len(studies_run(tmp_path)) == 2, 20)
        (row, *_) = server.command("instances").splitlines()
        assert "PEER" in row  # who called stands in the file
        assert server.terminate() == 0


def test_a_damaged_ledger_starts_nothing_and_may_be_taken_away(tmp_path, settings):
    folder = tmp_path / "payloads"
    with engine(folder, **settings) as server:
        send(server, "1.1")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 1, 20)
        assert server.terminate() == 0
    ledger = folder / "ledger.sqlite3"
    ledger.write_bytes(ledger.read_bytes()[:4096] + b"damage" * 4096)
    with pytest.raises(AssertionError, match=r"the ledger in \S+ is damaged"), engine(folder, **settings):
        pass
    for file in folder.glob("ledger.sqlite3*"):
        file.unlink()
    with engine(folder, **settings) as server:
        assert server.terminate() == 0


def test_the_job_of_an_instance_that_is_gone_fails_and_is_run_again_once_it_is_back(tmp_path, settings):
    settings["scp"]["aeTitles"][0]["processorSettings"]["timeout"] = 3
    settings["pipelines"][0]["retries"] = 0
    with engine(tmp_path / "payloads", **settings) as server:
        send(server, "1.1")
        gone = server.stored_files()[0]
        server.wait_for(lambda: len(server.command("instances").splitlines()) == 3, 20)
        gone.rename(tmp_path / "gone.dcm")
        server.wait_for(lambda: "failed" in server.command("jobs", "list"), 20)
        (fault,) = [each for each in server.log_entries() if each["event"] == "run failed"]
        assert gone.name in fault["reason"]
        (tmp_path / "gone.dcm").rename(gone)
        (job,) = json.loads(server.command("jobs", "list", "-o", "json"))
        server.command("jobs", "rerun", job["id"])
        server.wait_for(lambda: studies_run(tmp_path) == [("1.1", 3)], 20)
        assert server.terminate() == 0


def test_without_the_name_of_the_node_its_instances_are_those_of_another_engine(tmp_path, settings):
    folder = tmp_path / "payloads"
    with engine(folder, **settings) as server:
        send(server, "1.1")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 1, 20)
        assert server.terminate() == 0
    (folder / "node").unlink()
    with engine(folder, **settings) as server:
        server.wait_for(lambda: len(studies_run(tmp_path)) == 2, 20)
        assert server.terminate() == 0
    assert studies_run(tmp_path) == [("1.1", 3)] * 2


@pytest.mark.peer
def test_so_it_is_with_a_dump_of_postgresql(tmp_path, settings, postgres):
    url = postgres.new_url()
    settings["registry"] = {"url": url}
    folder = tmp_path / "payloads"
    with engine(folder, **settings) as server:
        server.command("create", "src", "-a", "CT1", "-i", "10.0.0.5")
        send(server, "1.1")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 1, 20)
        dump = postgres.dump(url)
        send(server, "1.2")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 2, 20)
        assert server.terminate() == 0
    postgres.restore(url, dump)
    with engine(folder, **settings) as server:
        server.wait_for(lambda: len(studies_run(tmp_path)) == 3, 20)
        assert "CT1" in server.command("list", "src")
        assert server.terminate() == 0
    assert studies_run(tmp_path) == [("1.1", 3), ("1.2", 3), ("1.2", 3)]  # once more what the dump lacks


@pytest.mark.peer
def test_a_replica_that_lost_its_volume_goes_on_and_tells_what_is_missing(tmp_path, settings, postgres):
    url = postgres.new_url()
    settings["registry"] = {"url": url}
    settings["pipelines"][0] |= {"retries": 0}
    settings["scp"]["aeTitles"][0]["processorSettings"] |= {"timeout": 5}
    with engine(tmp_path / "lost", **settings) as server:
        send(server, "1.1")
        server.wait_for(lambda: "1.1" in server.command("groups"), 20)
        server.kill()
    shutil.rmtree(tmp_path / "lost")
    with engine(tmp_path / "new", **settings) as server:
        send(server, "1.2")
        server.wait_for(lambda: len(studies_run(tmp_path)) == 1, 20)
        with psycopg.connect(url) as connection:  # so long ago
            connection.execute("UPDATE port104_node SET heard = heard - 400 WHERE root LIKE '%/lost'")
        server.wait_for(lambda: "failed" in server.command("jobs", "list"), 30)
        (fault,) = [each for each in server.log_entries() if each["event"] == "run failed"]
        assert str(tmp_path / "lost") in fault["reason"]
        assert server.terminate() == 0
    assert studies_run(tmp_path) == [("1.2", 3)]
