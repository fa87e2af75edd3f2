"""What passes by the object store between port104 and the steps of a Job, as it is written there. Sans-IO.

Rules that this room keeps:
- whoever reads a document believes nothing in it: a pipeline may be able to write there, too;
- a file's name is a path below a folder, and leads nowhere else;
- no reason that is given quotes a name: a pipeline may call a file after its patient.
"""

from pathlib import PurePosixPath
from typing import TypeVar

import msgspec

from port104.dispatch.payload import INSTANCES
from port104.dispatch.results import MOST_FILES
from port104.errors import Port104Error
from port104.objects.held import Held
from port104.objects.place import Place

MOST_BYTES = 64 << 20
"""Of a document: the names of as many files as a run may leave, and what they are known by."""
_LONGEST_NAME, _LONGEST_PATH = 255, 1024  # bytes: NAME_MAX of Linux, and what leaves PATH_MAX room for ours
_VERSION = 1
_DIGEST_DIGITS = 64

DocumentT = TypeVar("DocumentT")


class FaultyDocumentError(Port104Error):
    """A document says what cannot be; the text says what, and of which of its entries."""


class Left(msgspec.Struct, frozen=True):
    """A file that an attempt left. `file`: its path below output/; `sha256`: empty: it is not stored yet."""

    file: str
    size: int
    sha256: str = ""


class Delivery(msgspec.Struct, frozen=True):
    """What an attempt left, the first with number 0. `whole`: all of it is stored.

    Until then there is one that lists what may be stored: whoever cleans up needs no list of the bucket.
    """

    whole: bool
    files: tuple[Left, ...] = ()
    version: int = _VERSION


class _Instance(msgspec.Struct, frozen=True):
    file: str
    object: str = ""
    size: int = -1
    sha256: str = ""


class _Manifest(msgspec.Struct, frozen=True):
    instances: tuple[_Instance, ...]


def written(delivery: Delivery) -> bytes:
    """Write a delivery down. Raises FaultyDocumentError."""
    try:
        return msgspec.json.encode(delivery)
    except UnicodeEncodeError as fault:
        raise FaultyDocumentError(
            "a file in output/ has a name that is no UTF-8, which no document can hold: give it another"
        ) from fault


def read_delivery(content: bytes) -> Delivery:
    """Read what an attempt left. Raises FaultyDocumentError."""
    delivery = _decoded(content, Delivery)
    if delivery.version != _VERSION:
        raise FaultyDocumentError(
            f"it has version {delivery.version}, and this port104 knows {_VERSION}: is jobs.transferImage"
            " another release?"
        )
    if len(delivery.files) > MOST_FILES:
        raise FaultyDocumentError(f"it lists more than {MOST_FILES} files")
    for number, each in enumerate(delivery.files):
        if why := name_fault(each.file) or _fault_of(each, whole=delivery.whole):
            raise FaultyDocumentError(f"file {number}: {why}")
    names = {each.file for each in delivery.files}
    for number, each in enumerate(delivery.files):
        if not names.isdisjoint(map(str, PurePosixPath(each.file).parents)):
            raise FaultyDocumentError(f"file {number}: it is below what is a file itself")
    if len(names) != len(delivery.files):
        raise FaultyDocumentError("it lists a name twice")
    return delivery


def objects_in(manifest: bytes, place: Place) -> list[tuple[str, Held]]:
    """The instances that a manifest lists: path below the payload, and object. Raises FaultyDocumentError."""
    return [
        (each.file, _held(number, each, place))
        for number, each in enumerate(_decoded(manifest, _Manifest).instances)
    ]


def name_fault(name: str) -> str | None:
    """What is wrong with a path below a folder; None: nothing."""
    parts = name.split("/")
    if not name or "\0" in name or any(part in {"", ".", ".."} for part in parts):
        return "its name is no path below a folder"
    try:
        longest = max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    if longest > _LONGEST_NAME or len(name.encode()) > _LONGEST_PATH:
        return f"its name is longer than {_LONGEST_NAME} bytes, or its path than {_LONGEST_PATH}"
    return None


def _fault_of(left: Left, *, whole: bool) -> str | None:
    if left.size < 0 or (whole and not _is_digest(left.sha256)):
        return "its size or SHA-256 is none"
    return None


def _held(number: int, instance: _Instance, place: Place) -> Held:
    """The object of an instance."""
    folder, _, name = instance.file.partition("/")
    before = place.url_of("")
    why = name_fault(instance.file)
    if why is None and (folder != INSTANCES or not name or "/" in name):
        why = f"it is not in {INSTANCES}/"
    elif why is None and not instance.object.startswith(before):
        why = f"it has no object in the bucket {place.bucket}"
    elif why is None and (instance.size < 0 or not _is_digest(instance.sha256)):
        why = "its size or SHA-256 is none"
    if why is not None:
        raise FaultyDocumentError(f"instance {number}: {why}")
    return Held(instance.object.removeprefix(before), instance.size, instance.sha256, "")


def _is_digest(text: str) -> bool:
    return len(text) == _DIGEST_DIGITS and set(text) <= set("0123456789abcdef")


def _decoded(content: bytes, kind: type[DocumentT]) -> DocumentT:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise FaultyDocumentError(f"it is not as port104 writes it: {fault}") from fault
