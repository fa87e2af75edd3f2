"""Results as a run leaves them in a storage folder: files, and what the ledger knows of them."""

from contextlib import closing

from port104.jobs.ledger.opening import open_ledger
from port104.jobs.ledger.results import Result
from raw_peer import SECONDARY_CAPTURE
from stored_file import put


def leave(root, node, number, destinations, count, *, url=None):
    """Leave `count` results of the run `number` for each destination; returns their SOP instance UIDs.

    `root`, `node`: the storage folder and its name; `url`: of the ledger, None: it is in there.
    """
    run = f"{number:016x}"
    output = root / "runs" / run / "1" / "output"
    output.mkdir(parents=True)
    instances = [f"1.2.3.{number}.{index}" for index in range(count)]
    results = []
    for index, instance in enumerate(instances):
        file = output / f"{index}.dcm"
        put(root / "made", instance).rename(file)
        facts = {"sop_class_uid": SECONDARY_CAPTURE, "sop_instance_uid": instance, "state": "waiting"}
        results += [
            Result(file=str(file.relative_to(root)), destination=name, **facts) for name in destinations
        ]
    with closing(open_ledger(url, root, node)) as ledger:
        ledger.register_results(run, results)
    return instances
