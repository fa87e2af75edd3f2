"""Objects in a bucket, by obstore. The only importer of obstore, which need not be installed.

Rules that this room keeps:
- an object is stored once the store's own word of what it received (its ETag) fits the bytes that were sent,
  or, where that word means something else, once the object was read back and is the same;
- what is fetched has its name only when its size and digest are those that were stored, and it is durable;
- nothing is tried again here: whoever calls knows better when. No request takes longer than it may.

Everything here waits for the network or the disk: call it from a worker thread. Any number may at a time.
"""

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError

from port104.objects.digests import PART_BYTES, Facts, digest_of, facts_of, facts_of_parts
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError, RefusedError
from port104.objects.held import Held
from port104.objects.place import Place
from port104.objects.reasons import code_of, reason_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

_PIECE = 1 << 20
# Of one object in parts: memory is PART_BYTES for each.
_PARTS_AT_ONCE = 2
_MOST_DELETED = 1_000  # by one request (Amazon S3 API, DeleteObjects)


class ObjectStore:
    """The bucket at a place. All of its methods raise ObjectStoreError where the store cannot be used."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._opening = threading.Lock()
        self._opened: S3Store | None = None

    def check(self, name: str) -> None:
        """See that objects can be written and read: one of this name is, below the prefix."""
        key, content = self.place.prefix + name, b"port104\n"
        with self._translated():
            obstore.put(self._store(), key, content)
            read = bytes(obstore.get(self._store(), key).bytes())
        if read != content:
            raise ObjectStoreError(self._words("it gives back something else than it was given"))

    def put(self, key: str, file: IO[bytes]) -> Held:
        """Store what a file holds. Raises DamagedObjectError where other bytes arrived; OSError."""
        if os.fstat(file.fileno()).st_size <= PART_BYTES:
            return self.write(key, file.read())
        facts = facts_of_parts(file)
        file.seek(0)
        etag = self._put(key, file, chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
        return self._believed(key, facts, etag)

    def write(self, key: str, content: bytes) -> Held:
        """Store a small document; as `put` does."""
        return self._believed(key, facts_of(content), self._put(key, content, use_multipart=False))

    def read(self, key: str, most: int) -> bytes:
        """Read a document of which no digest is known.

        Raises MissingObjectError, and DamagedObjectError where it has more than `most` bytes.
        """
        content = bytearray()
        for piece in self._pieces(key):
            content += piece
            if len(content) > most:
                raise DamagedObjectError(f"{self.place.url_of(key)} has more than {most} bytes")
        return bytes(content)

    def has(self, held: Held) -> bool:
        """Whether the object is known to be there, with the size and the ETag that it was stored with.

        Where no list is allowed (s3:ListBucket) S3 refuses an object that is gone: that is none then.
        """
        try:
            with self._translated():
                found = obstore.head(self._store(), held.key)
        except (MissingObjectError, RefusedError):
            return False
        return (found["size"], _bare(found["e_tag"])) == (held.size, held.etag)

    def fetch(self, held: Held, target: Path) -> None:
        """Write an object to a file that is not there yet, durably.

        Raises MissingObjectError, DamagedObjectError, and OSError where the disk fails.
        """
        descriptor, name = tempfile.mkstemp(prefix=".", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                self._read(held.key, (held.size, held.digest), file)
                file.flush()
                os.fchmod(descriptor, 0o640)
                os.fsync(descriptor)
            os.replace(name, target)  # noqa: PTH105 - says what it does
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no matter."""
        for first in range(0, len(keys), _MOST_DELETED):
            try:
                with self._translated():
                    obstore.delete(self._store(), keys[first : first + _MOST_DELETED])
            except MissingObjectError:
                continue

    def _believed(self, key: str, facts: Facts, etag: str) -> Held:
        """Hold the store's word against what was sent. Raises DamagedObjectError."""
        if etag != facts.etag:
            self._read(key, (facts.size, facts.digest))
        return Held(key, facts.size, facts.digest, etag)

    def _put(self, key: str, content: bytes | IO[bytes], **how: Any) -> str:
        with self._translated():
            return _bare(obstore.put(self._store(), key, content, **how)["e_tag"])

    def _read(self, key: str, expected: tuple[int, str], file: IO[bytes] | None = None) -> None:
        """Read an object, into a file where there is one. Raises DamagedObjectError, OSError."""
        pieces = self._pieces(key)
        if digest_of(pieces if file is None else _written(pieces, file)) != expected:
            raise DamagedObjectError(
                f"the object store holds other bytes than it was given: {self.place.url_of(key)};"
                " check its disks, and the network between"
            )

    def _pieces(self, key: str) -> Iterator[bytes]:
        """Read an object, a piece at a time."""
        with self._translated():
            stream = iter(obstore.get(self._store(), key).stream(min_chunk_size=_PIECE))
        while True:
            with self._translated():
                piece = next(stream, None)
            if piece is None:
                return
            yield bytes(piece)

    def _store(self) -> "S3Store":
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> "S3Store":
        place = self.place
        config: S3Config = {
            "region": place.region,
            "virtual_hosted_style_request": not place.path_style,
        }
        if place.endpoint is not None:
            config["endpoint"] = place.endpoint
        if place.access_key_id is not None and place.secret_access_key is not None:
            config["access_key_id"] = place.access_key_id
            config["secret_access_key"] = place.secret_access_key
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=place.connect),
            "timeout": timedelta(seconds=place.request),
            "allow_http": place.endpoint is not None and place.endpoint.startswith("http://"),
            "user_agent": "port104",
        }
        if place.authorities is not None:
            try:
                client["root_certificate"] = Path(place.authorities).read_bytes()
            except OSError as failure:
                raise ObjectStoreError(
                    f"objectStore.certificateAuthorities cannot be read: {failure.strerror}"
                    f" ({place.authorities})"
                ) from failure
        from obstore.store import S3Store  # noqa: PLC0415 - takes a moment

        try:
            return S3Store(
                place.bucket,
                config=config,
                client_options=client,
                retry_config={"max_retries": 0},
            )
        except (BaseError, ValueError) as fault:
            raise ObjectStoreError(self._words(reason_of(str(fault)))) from fault

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What obstore raises, in our words; its own texts quote keys and whole answers."""
        try:
            yield
        except FileNotFoundError as fault:
            if code_of(str(fault)) == "NoSuchBucket":
                raise ObjectStoreError(self._words(reason_of(str(fault)))) from fault
            raise MissingObjectError(
                f"an object is gone from the bucket {self.place.bucket}: has somebody removed it, or a rule"
                " of the bucket? Keep those off port104's prefix"
            ) from fault
        except PermissionDeniedError as fault:
            raise RefusedError(self._words(reason_of(str(fault)))) from fault
        except (BaseError, ValueError) as fault:
            raise ObjectStoreError(self._words(reason_of(str(fault)))) from fault

    def _words(self, reason: str) -> str:
        where = self.place.endpoint or f"Amazon S3 in {self.place.region}"
        return f"the object store at {where} (bucket {self.place.bucket}) cannot be used: {reason}"


def _written(pieces: Iterable[bytes], file: IO[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece


def _bare(etag: str | None) -> str:
    """An ETag without its quotation marks."""
    return (etag or "").strip('"')
