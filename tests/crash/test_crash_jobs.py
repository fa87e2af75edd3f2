"""kill -9 at any moment while groups close and pipelines run: every instance is worked on, and once.

PORT104_CRASH_JOBS_ROUNDS sets the rounds (`make crash-jobs`: 200); PORT104_CRASH_SEED repeats the moments.
Only the engine is killed: commands go on, as docs/pipelines.md says, and the next engine finds them again.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest

from engine_nest import Nest
from engine_process import engine
from killing import kill_amid, share_rounds
from port104.wire.command import Status
from sender import Sender, image

ROUNDS = int(os.environ.get("PORT104_CRASH_JOBS_ROUNDS", "10"))
SEED = int(os.environ.get("PORT104_CRASH_SEED", "104"))
ASSOCIATIONS = 3
STUDIES = 3
# Groups close after a second, and pipelines take up to another: all of it is to be hit.
LONGEST_ROUND_SECONDS = 2.5
SETTLING_SECONDS = 120.0
# Between two instances of an association: what counts is when they come, not how many.
PAUSE_SECONDS = 0.02

# Writes down in a file for each run that it was begun, what it was given, and that it came to its end.
SCRIPT = """
exec >> "$1/$PORT104_RUN_ID"
echo "begun $PORT104_PIPELINE"
ls dcm
sleep "0.$((0x${PORT104_RUN_ID%??????????????} % 9))"
for file in dcm/*; do cp "$file" output/; break; done
echo done
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def settings_of(home):
    pipeline = {"command": ["sh", "-c", SCRIPT, "sh", str(home)], "concurrency": 4, "destinations": ["PACS"]}
    wanted = {"timeout": 1, "pipeline-a": "A", "pipeline-b": "B"}
    return {
        "scp": {"aeTitles": [{"aeTitle": "PORT104", "processorSettings": wanted}]},
        "pipelines": [pipeline | {"name": name.lower(), "id": name} for name in "AB"],
        "log": {"format": "json"},
    }


def send_until_killed(port, prefix, studies, acknowledged):
    """Send instances of some studies in turn until the connection breaks."""
    number = 0
    try:
        with Sender(port) as sender:
            while True:
                number += 1
                instance = f"{prefix}.{number}"
                content = image(instance, b"pixels", study=studies[number % len(studies)])
                if sender.store(instance, content) == Status.SUCCESS:
                    acknowledged.append(instance)
                time.sleep(PAUSE_SECONDS)
    except (OSError, EOFError):
        return


def run_round(server, number, chance, acknowledged):
    """Studies come by several associations at once, the last of the round before among them."""
    studies = [f"1.2.{number}.{index}" for index in range(STUDIES)] + [f"1.2.{number - 1}.0"]
    senders = [
        (server.port, f"1.3.{number}.{index}", chance.sample(studies, 2), acknowledged)
        for index in range(ASSOCIATIONS)
    ]
    kill_amid(server, send_until_killed, senders, chance, LONGEST_ROUND_SECONDS)


def rows(server, sql):
    with closing(sqlite3.connect(f"file:{server.folder}/ledger.sqlite3?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def is_settled(server):
    """Whether all files are known, their groups closed, and the runs of these ended."""
    ((known,),) = rows(server, "SELECT COUNT(*) FROM port104_instance")
    ((open_,),) = rows(server, "SELECT COUNT(*) FROM port104_group WHERE state <> 'closed'")
    ((going,),) = rows(server, "SELECT COUNT(*) FROM port104_run WHERE state IN ('waiting', 'running')")
    return known == len(server.stored_files()) and open_ == going == 0


def assert_done_once(server, home, acknowledged):
    """What is claimed; returns how many runs there were."""
    assert len(acknowledged) == len(set(acknowledged))
    stored = Counter(uid for (uid,) in rows(server, "SELECT sop_instance FROM port104_instance"))
    assert set(stored.values()) == {1}
    assert stored.keys() >= set(acknowledged)
    assert (
        rows(
            server,
            "SELECT * FROM port104_group g WHERE instances <>"
            " (SELECT COUNT(*) FROM port104_instance WHERE group_id = g.id) OR 1 <>"
            " (SELECT COUNT(*) FROM port104_job WHERE group_id = g.id)",
        )
        == []
    )
    assert (
        rows(
            server,
            "SELECT * FROM port104_job j WHERE 'a b' <>"
            " (SELECT GROUP_CONCAT(pipeline, ' ') FROM (SELECT pipeline FROM port104_run WHERE job_id = j.id"
            " ORDER BY pipeline))",
        )
        == []
    )
    runs = rows(
        server,
        "SELECT r.id, r.pipeline, r.state, r.attempt, j.group_id FROM port104_run r"
        " JOIN port104_job j ON j.id = r.job_id",
    )
    worked_on = Counter()
    for run, pipeline, state, attempt, group in runs:
        members = rows(server, f"SELECT sop_instance FROM port104_instance WHERE group_id = '{group}'")
        given = sorted(f"{uid}.dcm" for (uid,) in members)
        begun, *seen, done = (home / run).read_text().splitlines()
        assert (state, attempt) == ("succeeded", 1)
        assert (begun, sorted(seen), done) == (f"begun {pipeline}", given, "done")
        worked_on.update((pipeline, uid) for (uid,) in members)
    assert worked_on == Counter((pipeline, uid) for uid in stored for pipeline in "ab")
    assert rows(server, "SELECT COUNT(*), COUNT(DISTINCT run_id) FROM port104_result") == [(len(runs),) * 2]
    return len(runs)


def run_rounds(folder, seed, first, last):
    """In a process of its own: rounds on one storage folder. Returns how many instances and runs it had."""
    chance = random.Random(seed)
    home = folder.with_name(f"{folder.name}-home")
    home.mkdir()
    settings = settings_of(home)
    acknowledged = []
    with Nest() as nest:
        for number in range(first, last + 1):
            with nest.engine(folder, **settings) as server:
                server.wait_until_listening()
                run_round(server, number, chance, acknowledged)
    with engine(folder, **settings) as server:
        server.wait_for(lambda: is_settled(server), SETTLING_SECONDS)
        return len(acknowledged), assert_done_once(server, home, acknowledged)


def test_every_instance_is_worked_on_once(folders):
    figures = share_rounds(folders, run_rounds, ROUNDS, SEED)
    acknowledged, runs = (sum(column) for column in zip(*figures, strict=True))
    assert acknowledged > ROUNDS
    print(f"{acknowledged} instances acknowledged, {runs} runs, each once")
