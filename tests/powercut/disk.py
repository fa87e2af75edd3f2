"""The disk of a simulated power cut: a folder tree that is read before, and built anew after the cut."""

import os
import shutil

from powercut.model import Tree


def read_tree(root):
    """The tree below `root`, as the model takes it."""
    folders, sizes = {}, {}
    pending = [root]
    while pending:
        folder = pending.pop()
        names = folders[folder.stat().st_ino] = {}
        for entry in os.scandir(folder):
            about = entry.stat(follow_symlinks=False)
            names[entry.name] = about.st_ino
            if entry.is_dir(follow_symlinks=False):
                pending.append(folder / entry.name)
            else:
                sizes[about.st_ino] = about.st_size
    return Tree(root.stat().st_ino, folders, sizes)


def paths_by_inode(*roots):
    """Where the bytes of each file below the roots stand: {inode: path}."""
    found = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - thousands of them
                found[os.stat(path).st_ino] = path  # noqa: PTH116
    return found


def build(root, before, image, paths, *, last=False):
    """Make `root` and below it what `image` tells; `paths` finds the bytes by inode.

    `last`: nobody needs those files any more, and the whole ones are hard links. Else they are copies, for a
    start writes over some of them in place.
    """
    built = {}
    pending = [(root, before.root)]
    while pending:
        folder, inode = pending.pop()
        folder.mkdir()
        for name, child in image.folders[inode].items():
            if child in image.folders:
                pending.append((folder / name, child))
            else:
                _build_file(folder / name, child, image, paths, built, last=last)


def _build_file(path, inode, image, paths, built, *, last):
    if inode in built:
        path.hardlink_to(built[inode])
        return
    file = image.files.get(inode)
    size = os.stat(paths[inode]).st_size  # noqa: PTH116
    if file is None or (file.is_whole and file.size == size):
        if last:
            path.hardlink_to(paths[inode])
        else:
            shutil.copyfile(paths[inode], path)
    else:
        path.write_bytes(_content(file, paths[inode]))
    built[inode] = path


def _content(file, path):
    content = bytearray(file.size)
    with open(path, "rb") as source:  # noqa: PTH123
        for start, end in file.kept:
            source.seek(start)
            content[start:end] = source.read(end - start)
    return bytes(content[: file.size])
