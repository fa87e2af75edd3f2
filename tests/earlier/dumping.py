"""Write the ledger that an earlier port104 leaves, as SQL, for each schema version that is given.

`PYTHONPATH=tests python -m earlier.dumping VERSION`, once the version after it is there. The engine is killed
while it holds a run that succeeded, whose results wait for a destination that is away; a run that failed and
is tried again; and an open group.
"""

import contextlib
import socket
import sqlite3
import sys
import tempfile
from pathlib import Path

from earlier.ledgers import FAILS, LATE, SENDS, file_of
from earlier.versions import environment_of
from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image

SECONDS = 30
NOBODY = 9  # the port of discard, on which nothing listens


def _title(name, timeout, **more):
    return {"aeTitle": name, "processorSettings": {"timeout": timeout, "jobRetryDelay": 20_000} | more}


SETTINGS = {
    "scp": {
        "aeTitles": [
            _title(SENDS, 1, **{"pipeline-copy": "c0"}),
            _title(FAILS, 1, **{"pipeline-fail": "c1"}),
            _title(LATE, 20, **{"pipeline-fail": "c1"}),
        ]
    },
    "scu": {"destinations": [{"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": NOBODY}]},
    "pipelines": [
        {"name": "copy", "id": "c0", "command": ["sh", "-c", "cp dcm/* output/"], "destinations": ["PACS"]},
        {"name": "fail", "id": "c1", "command": ["false"]},
    ],
    "log": {"format": "json"},
}


def _send(server, called, study):
    with Sender(server.port, called_ae_title=called) as sender:
        for number in (1, 2):
            uid = f"{study}.{number}"
            assert sender.store(uid, image(uid, b"pixels", study=study)) == Status.SUCCESS
        sender.release()


def dump(schema_version):
    """The ledger of that version, as SQL."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "payloads"
        with engine(folder, env=environment_of(schema_version), **SETTINGS) as server:
            _send(server, SENDS, "1.1")
            _send(server, FAILS, "1.2")
            states = (
                "SELECT called, state FROM port104_run JOIN port104_job ON job_id = port104_job.id ORDER BY 1"
            )
            wanted = [(FAILS, "waiting"), (SENDS, "succeeded")]
            attempts = "SELECT attempt FROM port104_run ORDER BY attempt"
            server.wait_for(lambda: _rows(folder, states) == wanted, SECONDS)
            server.wait_for(lambda: _rows(folder, attempts) == [(1,), (1,)], SECONDS)
            server.wait_for(lambda: _rows(folder, "SELECT COUNT(*) FROM port104_result") == [(2,)], SECONDS)
            _send(server, LATE, "1.3")
            server.wait_for(lambda: _rows(folder, "SELECT COUNT(*) FROM port104_instance") == [(6,)], SECONDS)
            server.kill()
        with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite3")) as connection:
            text = "\n".join(connection.iterdump())
    return text.replace(str(folder), "/payloads").replace(f"'{socket.gethostname()}'", "'host'") + "\n"


def _rows(folder, sql):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/ledger.sqlite3?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


if __name__ == "__main__":
    for version in map(int, sys.argv[1:]):
        file_of(version).write_text(dump(version))
