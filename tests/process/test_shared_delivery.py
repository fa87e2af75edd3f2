"""Two whole engines with one ledger in PostgreSQL: what pipelines left is delivered by either, and once."""

import sys

import psycopg
import pytest

from engine_process import engine
from receiving import Receiver
from sender import send_images

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

COPY = "import os, shutil; shutil.copytree(os.environ['PORT104_INPUT'], 'output', dirs_exist_ok=True)"
STUDIES, INSTANCES = 8, 10


def settings(url, port):
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-copy": "c0"}}
    destination = {"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": port, "associations": 2}
    pipeline = {
        "name": "copy",
        "id": "c0",
        "command": [sys.executable, "-c", COPY],
        "concurrency": 4,
        "destinations": ["PACS"],
    }
    return {
        "scp": {"aeTitles": [local_ae]},
        "scu": {"destinations": [destination], "export": {"retryDelay": 0.1}},
        "pipelines": [pipeline],
        "registry": {"url": url},
        "log": {"format": "json"},
        "api": {"port": None},
    }


def send(server, study):
    send_images(server.port, [f"{study}.{number}" for number in range(INSTANCES)], study=study)


def test_each_result_is_delivered_and_none_twice(tmp_path, postgres):
    url = postgres.new_url()
    everything = {f"1.2.{study}.{number}" for study in range(STUDIES) for number in range(INSTANCES)}
    receiver = Receiver()  # which listens once both engines want to send to it
    facts = settings(url, receiver.port)
    with (
        engine(tmp_path / "a", **facts) as one,
        engine(tmp_path / "b", **facts) as other,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        for study in range(STUDIES):
            send((one, other)[study % 2], f"1.2.{study}")

        def states():
            return connection.execute("SELECT state, COUNT(*) FROM port104_result GROUP BY state").fetchall()

        def who_wants_them():
            return {node for (node,) in connection.execute("SELECT node FROM port104_pause").fetchall()}

        one.wait_for(lambda: states() == [("waiting", len(everything))], 60)
        one.wait_for(lambda: len(who_wants_them()) == 2, 60)  # each has tried, and tries again
        with receiver:
            one.wait_for(lambda: states() == [("delivered", len(everything))], 60)
        assert receiver.stored == dict.fromkeys(everything, 1)
        assert (one.terminate(), other.terminate()) == (0, 0)
