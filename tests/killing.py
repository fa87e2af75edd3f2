"""Rounds in which an engine is killed under load, on several storage folders at once."""

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

WORKERS = 2
"""Folders, each with an engine of its own, that are worked on at once."""


def kill_amid(server, send, senders, chance, longest):
    """Let `send` run with the arguments of each of `senders`, in threads, and kill the engine meanwhile.

    `longest`: seconds until then at the most.
    """
    threads = [threading.Thread(target=send, args=arguments) for arguments in senders]
    for thread in threads:
        thread.start()
    # The moment is what is tested, not waited for: any is as good as another.
    time.sleep(chance.uniform(0.01, longest))
    server.kill()
    for thread in threads:
        thread.join()


def share_rounds(folders, run_rounds, rounds, seed):
    """Let `run_rounds(folder, seed, first, last)` run for each folder in a process of its own.

    Returns what each of them returned; raises an ExceptionGroup of what they raised.
    """
    print(f"seed {seed}, {rounds} rounds on {len(folders)} folders at once")
    share = max(1, rounds // len(folders))
    firsts = range(1, 1 + len(folders) * share, share)
    with ProcessPoolExecutor(len(folders), mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(run_rounds, folder, seed + first, first, first + share - 1)
            for folder, first in zip(folders, firsts, strict=True)
        ]
        faults = [fault for run in runs if (fault := run.exception())]
    if faults:
        raise ExceptionGroup("of the folders", faults)
    return [run.result() for run in runs]
