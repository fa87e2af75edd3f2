"""The storage folder: made, found again, synced and locked."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from port104.errors import FolderInUseError, StorageError
from port104.storage.folder import owned
from port104.storage.store import open_store

DATA_SET = b"\x08\x00\x18\x00UI\x06\x001.2.3\x00"


async def store_one(store, association_with):
    association = association_with(store)
    await association.store_one(DATA_SET)
    await association.close()


async def test_start_removes_part_files_and_keeps_instances(tmp_path, sync, association_with):
    async with open_store(tmp_path, sync=sync, threads=1) as store:
        await store_one(store, association_with)
        left = store.root / "parts" / "0000000000000001.part"
    left.write_bytes(b"half an instance")
    async with open_store(tmp_path, sync=sync, threads=1) as store:
        assert not left.exists()
        assert await store.count_instances() == 1


async def test_a_folder_serves_one_process(store, sync):
    with pytest.raises(StorageError, match="in use by another port104"):
        async with open_store(store.root, sync=sync, threads=1):
            pass


async def test_who_owns_it_keeps_an_engine_out_and_an_engine_keeps_others_out(tmp_path, sync):
    with owned(tmp_path):
        with pytest.raises(StorageError, match="in use by another port104"):
            async with open_store(tmp_path, sync=sync, threads=1):
                pass
        with pytest.raises(FolderInUseError), owned(tmp_path):
            pass
    async with open_store(tmp_path, sync=sync, threads=1):
        with pytest.raises(FolderInUseError), owned(tmp_path):
            pass
    with (
        pytest.raises(StorageError, match="run this as the user that port104 runs as"),
        owned(tmp_path / "none"),
    ):
        pass


async def test_a_start_waits_for_a_command_that_owns_it_for_a_moment(tmp_path, sync, monkeypatch):
    with contextlib.ExitStack() as command:
        command.enter_context(owned(tmp_path))
        monkeypatch.setattr("port104.storage.store.time.sleep", lambda _: command.close())
        async with open_store(tmp_path, sync=sync, threads=1) as store:
            assert await store.count_instances() == 0


async def test_a_folder_that_cannot_be_made_is_said(tmp_path, sync):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be made: .*storage\.temporary"):
        async with open_store(tmp_path / "file" / "below", sync=sync, threads=1):
            pass


async def test_a_folder_that_cannot_be_used_is_said(tmp_path, sync):
    (tmp_path / "parts").write_text("")
    with pytest.raises(StorageError, match="cannot be used: Not a directory"):
        async with open_store(tmp_path, sync=sync, threads=1):
            pass


async def test_the_storage_folders_own_name_is_synced(tmp_path, sync, monkeypatch):
    """Up to where its file system begins: a power cut must not take the folder with all that is in it."""
    synced = []

    def note(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", note)
    root = tmp_path / "made" / "on the way" / "storage"
    for _ in range(2):
        synced.clear()
        async with open_store(root, sync=sync, threads=1):
            assert synced[:4] == [root, root.parent, root.parent.parent, tmp_path]


async def test_a_parent_that_cannot_be_synced_is_said(tmp_path, sync, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="cannot be synced: Input/output error"):
        async with open_store(tmp_path / "storage", sync=sync, threads=1):
            pass


async def test_a_parent_that_knows_no_sync_is_passed_over(tmp_path, sync, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    async with open_store(tmp_path / "storage", sync=sync, threads=1) as store:
        assert store.root.is_dir()


async def test_files_are_not_for_other_users(tmp_path, sync, association_with):
    async with open_store(tmp_path / "storage", sync=sync, threads=1) as store:
        await store_one(store, association_with)
        files = [path for path in (store.root / "instances").rglob("*") if path.is_file()]
        assert len(files) == 1
        for path in [store.root, store.root / "instances", store.root / "parts", *files]:
            assert path.stat().st_mode & 0o007 == 0


async def test_counts_outlive_the_store(tmp_path, sync, association_with):
    async with open_store(tmp_path, sync=sync, threads=1) as store:
        await store_one(store, association_with)
    assert store.counts().stored == 1
