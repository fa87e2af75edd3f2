"""What can go wrong with a database. Every text says what to do."""

from port104.errors import Port104Error


class DatabaseError(Port104Error):
    """It cannot be used, or not now."""


class NewerSchemaError(DatabaseError):
    """It was made by a later version of port104."""
