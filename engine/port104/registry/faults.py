"""What can go wrong with the registry. Every text says what to do."""

from port104.errors import Port104Error


class RegistryError(Port104Error):
    """Base of every fault of the registry."""


class DuplicateEntryError(RegistryError):
    """There is one already. `field` is the key whose value is taken: `name`, `aeTitle` or `id`."""

    def __init__(self, message: str, *, field: str = "name") -> None:
        super().__init__(message)
        self.field = field


class FixedFieldError(RegistryError):
    """What `field` is the key of can never be changed."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class UnknownEntryError(RegistryError):
    """There is none of this name."""


class ReadOnlyEntryError(RegistryError):
    """It stands in the configuration, and can only be changed there. `origin` says where."""

    def __init__(self, message: str, *, origin: str) -> None:
        super().__init__(message)
        self.origin = origin


class ChangedEntryError(RegistryError):
    """Somebody else has changed it since. `revision` is the one that it has now."""

    def __init__(self, message: str, *, revision: int) -> None:
        super().__init__(message)
        self.revision = revision
