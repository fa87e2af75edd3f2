"""Opening an object store, whose library need not be installed."""

from typing import TYPE_CHECKING

from port104.errors import ConfigurationError
from port104.objects.place import Place

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore


def open_object_store(place: Place) -> "ObjectStore":
    """Make what uses the store at `place`; nothing is asked of it yet.

    Raises ConfigurationError where obstore is not installed.
    """
    try:
        from port104.objects.store import ObjectStore  # noqa: PLC0415 - only who needs it pays for it
    except ImportError as missing:
        raise ConfigurationError(
            f"objectStore.url needs obstore, which cannot be loaded ({missing}):"
            " pip install 'port104[objectstore]', or leave objectStore.url out"
        ) from missing
    return ObjectStore(place)
