"""Looks at what a storage folder holds."""

from hashlib import sha256

from port104.storage.store import instance_path


def data_set_of(path):
    """A stored file's data set: what follows the File Meta Information (PS3.10 7.1)."""
    content = path.read_bytes()
    assert content[128:132] == b"DICM", path
    return content[144 + int.from_bytes(content[140:144], "little") :]


def stored_data_set(folder, instance, called="PORT104"):
    """The data set stored under a SOP instance UID, or None."""
    path = instance_path(folder, called, instance)
    return data_set_of(path) if path.exists() else None


def fingerprint(data_set):
    """Stands for a data set's bytes in comparisons: pytest would spell out megabytes that differ."""
    return f"{len(data_set)} bytes {sha256(data_set).hexdigest()}"
