"""An object store in memory: as objects.store.ObjectStore is, for tests of those who use one."""

import contextlib
import hashlib
import io

from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError
from port104.objects.held import Held
from port104.objects.place import Place

AWAY = ObjectStoreError("the object store is away")


class MemoryObjects:
    """`fault`: raised by whatever is asked; `faults`: key -> raised where that is put or fetched."""

    def __init__(self, bucket="bucket"):
        self.place = Place(bucket=bucket, prefix="site/")
        self.objects = {}
        self.fault = None
        self.faults = {}
        self.checked = 0
        self.put_keys = []

    def _asked(self, key=None):
        if self.fault is not None:
            raise self.fault
        if key in self.faults:
            raise self.faults[key]

    def check(self, name):
        self.checked += 1
        self._asked()

    def put(self, key, file):
        self._asked(key)
        content = file.read()
        self.objects[key] = content
        self.put_keys.append(key)
        return Held(key, len(content), hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest())

    def write(self, key, content):
        return self.put(key, io.BytesIO(content))

    def read(self, key, most):
        self._asked(key)
        if key not in self.objects:
            raise MissingObjectError("an object is gone from the bucket")
        return self.objects[key]

    def has(self, held):
        self._asked(held.key)
        content = self.objects.get(held.key)
        return content is not None and hashlib.sha256(content).hexdigest() == held.digest

    def fetch(self, held, target):
        self._asked(held.key)
        if held.key not in self.objects:
            raise MissingObjectError("an object is gone from the bucket")
        if hashlib.sha256(self.objects[held.key]).hexdigest() != held.digest:
            raise DamagedObjectError("the object store holds other bytes than it was given")
        target.write_bytes(self.objects[held.key])

    def delete(self, keys):
        self._asked()
        for key in keys:
            with contextlib.suppress(KeyError):
                del self.objects[key]
