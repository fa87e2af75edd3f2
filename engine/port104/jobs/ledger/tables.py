"""The tables of the ledger. Times are seconds since 1970.

An instance is one version of one file: where other bytes take a file's place, it is another one. It stands
in exactly one group, for the table knows no other. Of groups with one value of an AE title's tag at most one
is not closed, which an index enforces: what two engines receive at the same time comes together.

Instances stand in the order of their writing, so that a new one touches the pages that the one before did; an
index by file, whose name is a hash, would touch another page for each. For the same reason UIDs, which many
make up at random, are in order inside of each group only; of studies the groups are known, not the instances.

Whoever adds a migration writes down what the version before it leaves: tests/earlier/dumping.py.
"""

from port104.database.schema import Schema

SCHEMA = Schema(
    what="the ledger",
    without="an empty one, which is filled anew from the stored files",
    setting="registry.url",
    versions="port104_ledger",
    migrations=(
        (
            "CREATE TABLE port104_ledger (version INTEGER NOT NULL)",
            "INSERT INTO port104_ledger (version) VALUES (0)",
            # Storage folders: where each was when its engine started last, and on which machine.
            """CREATE TABLE port104_node (
                node TEXT NOT NULL PRIMARY KEY,
                root TEXT NOT NULL,
                host TEXT NOT NULL,
                started DOUBLE PRECISION NOT NULL
            )""",
            # node: whose storage folder; file: its path below instances/; written: ns since 1970;
            # state: kept, replaced, removed
            """CREATE TABLE port104_instance (
                node TEXT NOT NULL,
                file TEXT NOT NULL,
                written BIGINT NOT NULL,
                received DOUBLE PRECISION NOT NULL,
                state TEXT NOT NULL,
                called TEXT NOT NULL,
                calling TEXT NOT NULL,
                address TEXT NOT NULL,
                sop_class TEXT NOT NULL,
                sop_instance TEXT NOT NULL,
                study TEXT NOT NULL,
                series TEXT NOT NULL,
                group_id TEXT NOT NULL,
                PRIMARY KEY (node, written, file)
            ) {clustered}""",
            "CREATE INDEX port104_instance_of_group ON port104_instance (group_id)",
            "CREATE INDEX port104_instance_of_study ON port104_instance (study)",
            "CREATE INDEX port104_instance_of_uid ON port104_instance (sop_instance)",
            # state: open, holding, closed; due, reason: when and why it is closed if nothing more comes;
            # cleaned: its instances were removed
            """CREATE TABLE port104_group (
                id TEXT NOT NULL PRIMARY KEY,
                called TEXT NOT NULL,
                tag BIGINT NOT NULL,
                value TEXT NOT NULL,
                state TEXT NOT NULL,
                opened DOUBLE PRECISION NOT NULL,
                last DOUBLE PRECISION NOT NULL,
                due DOUBLE PRECISION,
                reason TEXT,
                closed DOUBLE PRECISION,
                instances BIGINT NOT NULL,
                announced BIGINT,
                follows TEXT,
                with_all INTEGER NOT NULL,
                cleaned INTEGER NOT NULL
            )""",
            """CREATE UNIQUE INDEX port104_group_not_closed ON port104_group (called, tag, value)
                WHERE state <> 'closed'""",
            "CREATE INDEX port104_group_of_value ON port104_group (called, tag, value, opened)",
            "CREATE INDEX port104_group_due ON port104_group (due) WHERE state = 'open'",
            "CREATE INDEX port104_group_of_time ON port104_group (opened)",
            """CREATE INDEX port104_group_not_closed_of_time ON port104_group (state, opened)
                WHERE state <> 'closed'""",
            """CREATE INDEX port104_group_to_clean ON port104_group (closed)
                WHERE state = 'closed' AND cleaned = 0""",
            """CREATE TABLE port104_job (
                id TEXT NOT NULL PRIMARY KEY,
                group_id TEXT NOT NULL,
                called TEXT NOT NULL,
                priority INTEGER NOT NULL,
                retry_delay DOUBLE PRECISION NOT NULL,
                created DOUBLE PRECISION NOT NULL
            )""",
            "CREATE INDEX port104_job_of_group ON port104_job (group_id)",
            "CREATE INDEX port104_job_of_time ON port104_job (created)",
            # state: waiting, running, succeeded, failed, cancelled; due: of the next attempt;
            # node: where it runs; first: the attempt that the last rerun began with;
            # cleaned: its folder was removed
            """CREATE TABLE port104_run (
                id TEXT NOT NULL PRIMARY KEY,
                job_id TEXT NOT NULL,
                pipeline TEXT NOT NULL,
                pipeline_id TEXT NOT NULL,
                name TEXT NOT NULL,
                state TEXT NOT NULL,
                priority INTEGER NOT NULL,
                attempt INTEGER NOT NULL,
                first INTEGER NOT NULL,
                due DOUBLE PRECISION NOT NULL,
                node TEXT,
                started DOUBLE PRECISION,
                ended DOUBLE PRECISION,
                why TEXT NOT NULL,
                to_be_cancelled INTEGER NOT NULL,
                cleaned INTEGER NOT NULL
            )""",
            "CREATE INDEX port104_run_of_job ON port104_run (job_id, state)",
            # Of few, once they were seen to: what people ask for when something went wrong.
            """CREATE INDEX port104_run_not_succeeded ON port104_run (state, job_id)
                WHERE state <> 'succeeded'""",
            # A file that a run left, for one destination (empty: for none). file: its path below the storage
            # folder of node; state: waiting, kept, unreadable
            """CREATE TABLE port104_result (
                run_id TEXT NOT NULL,
                file TEXT NOT NULL,
                destination TEXT NOT NULL,
                node TEXT NOT NULL,
                sop_class TEXT NOT NULL,
                sop_instance TEXT NOT NULL,
                state TEXT NOT NULL,
                why TEXT NOT NULL,
                registered DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (run_id, file, destination)
            )""",
            """CREATE INDEX port104_result_waiting ON port104_result (destination, registered)
                WHERE state = 'waiting'""",
            """CREATE INDEX port104_run_to_do ON port104_run (pipeline_id, state)
                WHERE state = 'waiting' OR state = 'running'""",
            """CREATE INDEX port104_run_to_clean ON port104_run (node, ended)
                WHERE cleaned = 0 AND ended IS NOT NULL""",
        ),
        (
            # Delivery of results. state: also sending, delivered, failed, cancelled; asked: when its delivery
            # was asked for last; attempt: since then; due: of the next one; status: (0000,0900) that was
            # answered last; holder, held_until: the engine that sends it, and until when nobody else does
            "ALTER TABLE port104_result ADD COLUMN asked DOUBLE PRECISION NOT NULL DEFAULT 0",
            "ALTER TABLE port104_result ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE port104_result ADD COLUMN due DOUBLE PRECISION NOT NULL DEFAULT 0",
            "ALTER TABLE port104_result ADD COLUMN status INTEGER",
            "ALTER TABLE port104_result ADD COLUMN ended DOUBLE PRECISION",
            "ALTER TABLE port104_result ADD COLUMN holder TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE port104_result ADD COLUMN held_until DOUBLE PRECISION NOT NULL DEFAULT 0",
            "ALTER TABLE port104_result ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0",
            "UPDATE port104_result SET asked = registered, due = registered",
            "DROP INDEX port104_result_waiting",
            """CREATE INDEX port104_result_waiting ON port104_result (node, destination, due)
                WHERE state = 'waiting'""",
            """CREATE INDEX port104_result_waiting_of_time ON port104_result (asked)
                WHERE state = 'waiting'""",
            "CREATE INDEX port104_result_sending ON port104_result (holder) WHERE state = 'sending'",
            # The results of one run for one destination. state: waiting, failed, partial, cancelled,
            # delivered; total and the rest: how many results there are, and how the delivery of some ended
            """CREATE TABLE port104_export (
                id TEXT NOT NULL PRIMARY KEY,
                run_id TEXT NOT NULL,
                destination TEXT NOT NULL,
                state TEXT NOT NULL,
                registered DOUBLE PRECISION NOT NULL,
                ended DOUBLE PRECISION,
                total BIGINT NOT NULL,
                delivered BIGINT NOT NULL,
                failed BIGINT NOT NULL,
                cancelled BIGINT NOT NULL
            )""",
            "CREATE UNIQUE INDEX port104_export_of_run ON port104_export (run_id, destination)",
            "CREATE INDEX port104_export_of_time ON port104_export (registered)",
            "CREATE INDEX port104_export_of_destination ON port104_export (destination, registered)",
            """CREATE INDEX port104_export_not_delivered ON port104_export (state, registered)
                WHERE state <> 'delivered'""",
            """INSERT INTO port104_export (id, run_id, destination, state, registered, total, delivered,
                failed, cancelled) SELECT run_id || '-' || ROW_NUMBER() OVER (PARTITION BY run_id
                ORDER BY destination), run_id, destination, 'waiting', MIN(registered), COUNT(*), 0, 0, 0
                FROM port104_result WHERE state = 'waiting' GROUP BY run_id, destination""",
            # Destinations that an engine sends nothing to: why, since when, and when it tries again
            """CREATE TABLE port104_pause (
                node TEXT NOT NULL,
                destination TEXT NOT NULL,
                why TEXT NOT NULL,
                since DOUBLE PRECISION NOT NULL,
                due DOUBLE PRECISION,
                PRIMARY KEY (node, destination)
            )""",
        ),
        # Engines that are gone. heard: when one lived; patience: seconds after which others may take its
        # runs, none: never. time_limit: seconds that an attempt may take; of earlier ones it is not known.
        (
            "ALTER TABLE port104_node ADD COLUMN heard DOUBLE PRECISION NOT NULL DEFAULT 0",
            "ALTER TABLE port104_node ADD COLUMN patience DOUBLE PRECISION",
            "ALTER TABLE port104_run ADD COLUMN time_limit DOUBLE PRECISION NOT NULL DEFAULT 1e12",
        ),
        (
            # Three indexes cost two thirds of what an instance did.
            "DROP INDEX port104_instance_of_group",
            "DROP INDEX port104_instance_of_study",
            "DROP INDEX port104_instance_of_uid",
            "CREATE INDEX port104_instance_of_group ON port104_instance (group_id, sop_instance)",
            # Which studies there are in a group.
            """CREATE TABLE port104_study (
                study TEXT NOT NULL,
                group_id TEXT NOT NULL,
                PRIMARY KEY (study, group_id)
            ) {clustered}""",
            """INSERT INTO port104_study (study, group_id)
                SELECT DISTINCT study, group_id FROM port104_instance""",
        ),
        # Reports of storage commitment that peers are owed (PS3.4 annex J). node: whose storage folder the
        # instances are in; request: the instances, in JSON; attempt: how many failed; due: of the next one
        (
            """CREATE TABLE port104_commitment (
                node TEXT NOT NULL,
                calling TEXT NOT NULL,
                transaction_uid TEXT NOT NULL,
                called TEXT NOT NULL,
                address TEXT NOT NULL,
                request TEXT NOT NULL,
                asked DOUBLE PRECISION NOT NULL,
                attempt INTEGER NOT NULL,
                due DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (node, calling, transaction_uid)
            )""",
            "CREATE INDEX port104_commitment_due ON port104_commitment (node, due)",
        ),
        # Storage commitment of results. state: also committing: its destination has stored it, and is asked
        # whether it holds it; transaction_uid: under which it was, empty: not yet; due: when it is next
        (
            "ALTER TABLE port104_result ADD COLUMN transaction_uid TEXT NOT NULL DEFAULT ''",
            """CREATE INDEX port104_result_committing ON port104_result (node, destination, due)
                WHERE state = 'committing'""",
            """CREATE INDEX port104_result_of_transaction ON port104_result (transaction_uid)
                WHERE state = 'committing'""",
        ),
        # Messages for a broker (messages.py). due: when it is sent next; attempt: how many times it was not
        # taken, why: the last time; holder, held_until: as in port104_result; sent: when the broker had it
        (
            """CREATE TABLE port104_message (
                id TEXT NOT NULL PRIMARY KEY,
                routing_key TEXT NOT NULL,
                kind TEXT NOT NULL,
                correlation_id TEXT NOT NULL,
                body TEXT NOT NULL,
                created DOUBLE PRECISION NOT NULL,
                due DOUBLE PRECISION NOT NULL,
                attempt INTEGER NOT NULL,
                why TEXT NOT NULL,
                holder TEXT NOT NULL,
                held_until DOUBLE PRECISION NOT NULL,
                sent DOUBLE PRECISION
            )""",
            "CREATE INDEX port104_message_to_send ON port104_message (due) WHERE sent IS NULL",
            "CREATE INDEX port104_message_sent ON port104_message (sent) WHERE sent IS NOT NULL",
        ),
        # drained: since when an engine takes nothing new, none: it does
        ("ALTER TABLE port104_node ADD COLUMN drained DOUBLE PRECISION",),
        # Instances in an object store (objects.py, which has the states). due: when a waiting one is put
        # there; the rest: as objects.held.Held has it, of those that are there
        (
            """CREATE TABLE port104_object (
                node TEXT NOT NULL,
                written BIGINT NOT NULL,
                file TEXT NOT NULL,
                state TEXT NOT NULL,
                due DOUBLE PRECISION NOT NULL,
                key TEXT,
                size BIGINT,
                digest TEXT,
                etag TEXT,
                PRIMARY KEY (node, written, file)
            ) {clustered}""",
            """CREATE INDEX port104_object_waiting ON port104_object (node, due, written)
                WHERE state = 'waiting'""",
            "CREATE INDEX port104_object_stored ON port104_object (node, written) WHERE state = 'stored'",
            "CREATE INDEX port104_object_released ON port104_object (node, file) WHERE state = 'released'",
        ),
        # Export requests (requests.py). node: whose storage folder the files are in; document: the request,
        # in JSON; state: waiting, exporting, ended
        (
            """CREATE TABLE port104_request (
                message_id TEXT NOT NULL PRIMARY KEY,
                node TEXT NOT NULL,
                run_id TEXT NOT NULL,
                document TEXT NOT NULL,
                state TEXT NOT NULL,
                received DOUBLE PRECISION NOT NULL,
                ended DOUBLE PRECISION
            )""",
            """CREATE INDEX port104_request_open ON port104_request (state, received)
                WHERE state <> 'ended'""",
            "CREATE INDEX port104_request_ended ON port104_request (ended) WHERE ended IS NOT NULL",
            # What became of each file for each destination. file: of the result that it is; status: why it is
            # none (FileExportStatus), else null
            """CREATE TABLE port104_requested (
                message_id TEXT NOT NULL,
                path TEXT NOT NULL,
                destination TEXT NOT NULL,
                file TEXT NOT NULL,
                status INTEGER,
                why TEXT NOT NULL,
                PRIMARY KEY (message_id, path, destination)
            )""",
        ),
        # place: of an engine, the object store that its instances are in; of an object, the one that it was
        # left in when its engine got another one (moving.py)
        (
            "ALTER TABLE port104_node ADD COLUMN place TEXT",
            "ALTER TABLE port104_object ADD COLUMN place TEXT",
            """CREATE INDEX port104_object_elsewhere ON port104_object (node, written, file)
                WHERE place IS NOT NULL""",
        ),
    ),
)
