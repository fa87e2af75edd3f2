"""What can go wrong between port104 and an object store. Every text says what to do."""

from port104.errors import Port104Error


class ObjectStoreError(Port104Error):
    """The store cannot be used at the moment, for this object or any."""


class RefusedError(ObjectStoreError):
    """The store does not allow it. Of an object that is gone it says so too, where no list is allowed."""


class MissingObjectError(Port104Error):
    """The store has no such object."""


class DamagedObjectError(Port104Error):
    """The store holds other bytes than those that it was given."""
