"""Power cut after power cut on one storage folder: load, cut, look at what is left, start again on it."""

import random
import shutil
import subprocess
import time
from pathlib import Path

import trio

from ledger import AE_TITLES, Ledger
from port104.storage.store import open_store
from powercut.adversary import Adversary
from powercut.disk import build, paths_by_inode, read_tree
from powercut.journal import Journal
from powercut.load import WINDOW, send_until_cut_off
from powercut.model import after_power_cut

START_SECONDS = 30.0
# Long enough for others to be written during one sync, short enough for many syncs in a round.
SYNC_MICROSECONDS = 3000
# A cut this early meets the start-up: it makes a new folder in some 800 records, and mends an old one in few.
START_RECORDS = 1200
LOADED_RECORDS = 4000
# Small, so that it is full now and then.
JOURNAL_MEGABYTES = 1


def compile_shim(folder):
    """Compile shim.c into `folder`; returns the library's path."""
    library = folder / "powercut.so"
    source = Path(__file__).parent / "shim.c"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(source), "-o", str(library), "-ldl"], check=True)
    return library


class Chain:
    """Rounds on one storage folder below `folder`; everything in it is drawn from `seed`.

    `durability` and `without` (model.Syncs) make an engine or a disk that loses what it acknowledged.
    """

    def __init__(self, nest, folder, seed, *, durability="sync", without=""):
        self._nest = nest
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)
        self._durability = durability
        self._without = without
        self._number = 0
        self._disk = folder / "disk"
        self._disk.mkdir()
        self.ledger = Ledger()

    def round(self):
        """Load, cut, and look. Returns what is wrong, in words; empty: nothing."""
        self._number += 1
        here = self._folder / f"round{self._number}"
        (here / "held").mkdir(parents=True)
        before = read_tree(self._disk)
        journal = Journal(here / "journal", sync_microseconds=SYNC_MICROSECONDS)
        self._load(here, journal)
        records = journal.records()
        paths = paths_by_inode(self._disk, here / "held")

        def cut(target, *, last=False):
            adversary = Adversary(random.Random(self._chance.random()))
            image = after_power_cut(before, records, adversary, self._without)
            build(here / target, before, image, paths, last=last)
            return adversary

        adversary = cut("looked-at")
        faults = self._look_at(here / "looked-at")
        cut("next", last=True)
        if faults:
            return [f"{self}, {adversary}, kept in {here}", *faults]
        self._go_on(here)
        return []

    def __repr__(self):
        return f"Chain(seed {self._seed}, round {self._number})"

    def _moment(self):
        """The record with which the power goes; every third round's is likely to lie in the start."""
        most = LOADED_RECORDS if self._number % 3 else START_RECORDS
        return int(self._chance.uniform(1, most ** (1 / 2)) ** 2)

    def _load(self, here, journal):
        """Send until the power goes; in one of three rounds the engine alone was killed before.

        That one may have had another durability. It was sent what the next is sent again, and finds.
        """
        durabilities = [self._durability]
        if self._chance.random() < 1 / 3:
            durabilities.insert(0, self._chance.choice(("os", "sync")))
        load_seed = self._chance.random()
        for run, durability in enumerate(durabilities, 1):
            self.ledger.counts = run == len(durabilities) or durability == "sync"
            journal.go_on(kill_at=self._moment())
            self._run(here, journal, durability, random.Random(load_seed))

    def _run(self, here, journal, durability, load_chance):
        settings = {
            "durability": durability,
            "storage": {"temporary": str(_storage(self._disk)), "journalMegabytes": JOURNAL_MEGABYTES},
            "scp": {"aeTitles": AE_TITLES, "operationsWindow": WINDOW},
            "env": {"POWERCUT_JOURNAL": str(journal.path), "POWERCUT_HELD": str(here / "held")},
        }
        with self._nest.engine(here / "engine", **settings) as engine:
            deadline = time.monotonic() + START_SECONDS
            while engine.process.poll() is None and not engine.listens():
                assert time.monotonic() < deadline, engine.log.read_text()
                time.sleep(0.002)
            if engine.process.poll() is None:
                send_until_cut_off(engine.port, self.ledger, self._number, load_chance)
            engine.kill()
        # What the shim does not know ends the engine before its time, with a message.
        assert "powercut shim" not in engine.log.read_text(), engine.log.read_text()

    def _look_at(self, disk):
        """Let the start mend what was left, and compare."""

        async def start():
            async with open_store(_storage(disk), sync=True, threads=1):
                pass

        trio.run(start)
        return self.ledger.faults_of(_storage(disk))

    def _go_on(self, here):
        """The second image, as the cut left it, is the next round's disk."""
        shutil.rmtree(self._disk)
        (here / "next").rename(self._disk)
        shutil.rmtree(here)


def _storage(disk):
    """The storage folder, whose path the engine makes as well."""
    return disk / "site" / "storage"
