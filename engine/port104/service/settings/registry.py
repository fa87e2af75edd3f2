"""`registry`: the database of entries, tokens and jobs."""

from port104.service.settings.section import Section
from port104.service.settings.value_types import DatabaseURL


class RegistrySettings(Section, frozen=True):
    """Where entries (AE titles, sources, destinations, pipelines) and tokens are kept that were created."""

    url: DatabaseURL | None = None
    """PostgreSQL database, `postgresql://user:password@host:5432/database`: replicas that share it see each
    other's changes within a second. A password is better given in a file (`_FILE`). Null (the default): the
    SQLite file `registry.sqlite3` in the storage folder."""
