"""The power goes at any moment under load: what was acknowledged is there, whole, after the next start.

PORT104_POWERCUT_ROUNDS sets the rounds (`make powercut`: 200); PORT104_POWERCUT_SEED repeats a run's choices:
the moments of the cuts, the bytes sent, and what the disk lost. Which thread came first is chance in each
run; a failing round's journal and disks are kept, and named.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

import pytest

from engine_nest import Nest
from powercut.chain import Chain, compile_shim

ROUNDS = int(os.environ.get("PORT104_POWERCUT_ROUNDS", "10"))
SEED = int(os.environ.get("PORT104_POWERCUT_SEED", "104"))
# Rounds on one storage folder: each starts on what the one before left, and looks at all that came so far.
CHAIN = 5
WORKERS = 2

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run_chains(folder, library, seeds):
    """Run a chain for each seed; returns how many instances were acknowledged, and the first fault."""
    acknowledged = 0
    with Nest(library) as nest:
        for seed in seeds:
            place = folder / str(seed)
            place.mkdir()
            chain = Chain(nest, place, seed)
            for _ in range(CHAIN):
                if faults := chain.round():
                    return acknowledged, faults
            acknowledged += chain.ledger.acknowledged
    return acknowledged, []


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def nest(library):
    with Nest(library) as made:
        yield made


def test_nothing_acknowledged_is_lost(tmp_path, library):
    seeds = range(SEED, SEED + max(WORKERS, ROUNDS // CHAIN))
    print(f"seeds {seeds}, {len(seeds) * CHAIN} rounds")
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        shares = [seeds[worker::WORKERS] for worker in range(WORKERS)]
        results = list(pool.map(run_chains, repeat(tmp_path), repeat(library), shares))
    assert [faults for _, faults in results if faults] == []
    acknowledged = sum(count for count, _ in results)
    print(f"{acknowledged} instances acknowledged, none lost")
    assert acknowledged > ROUNDS


@pytest.mark.parametrize(
    "broken",
    [{"durability": "os"}, {"without": "names"}, {"without": "data"}, {"without": "files"}],
    ids=lambda broken: "-".join(broken.values()),
)
def test_an_engine_that_loses_instances_is_caught(tmp_path, nest, broken):
    """The simulation can fail: with a sync left out it does, within a few rounds."""
    chain = Chain(nest, tmp_path, SEED, **broken)
    faults = next(filter(None, (chain.round() for _ in range(20))), [])
    assert len(faults) > 1  # the chain's name, and what is wrong
