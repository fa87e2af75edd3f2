"""The tables of the registry."""

from port104.database.schema import Schema

SCHEMA = Schema(
    what="the registry",
    without="no stored AE titles, sources, destinations, pipelines and tokens",
    setting="registry.url",
    versions="port104_registry",
    migrations=(
        (
            """CREATE TABLE port104_registry (
                version INTEGER NOT NULL,
                generation BIGINT NOT NULL
            )""",
            "INSERT INTO port104_registry (version, generation) VALUES (0, 0)",
            """CREATE TABLE port104_entry (
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                alias TEXT,
                revision BIGINT NOT NULL,
                document TEXT NOT NULL,
                PRIMARY KEY (kind, name),
                UNIQUE (kind, alias)
            )""",
            """CREATE TABLE port104_token (
                name TEXT NOT NULL PRIMARY KEY,
                scope TEXT NOT NULL,
                digest TEXT NOT NULL UNIQUE,
                created TEXT NOT NULL
            )""",
        ),
    ),
)
