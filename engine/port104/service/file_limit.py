"""The limit on open files: raised at start, and what it leaves room for.

Connections that wait for their association give way to new ones where there are too many (net/crowd.py).
That works only while a new one can be accepted: so connections must be too many before descriptors run out.
"""

import resource
from pathlib import Path

import structlog

log = structlog.get_logger("port104.service")

# The storage folder's 256 shelves, pipes of up to 64 threads, events, log files, listeners, name look-ups.
_OURS = 512


def raise_file_limit(*, connections: int, associations: int) -> int:
    """Raise the limit on open files as far as possible, and warn where that is not enough.

    Returns how many connections may be open at one time: `connections`, or what there is room for.
    """
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    free = limit - _OURS - sum(1 for _ in Path("/proc/self/fd").iterdir())
    possible = connections_within(free, connections=connections, associations=associations)
    if free < connections + associations:
        log.warning(
            "the limit on open files is too low for the configured limits",
            limit=limit,
            needed=limit - free + connections + associations,
            connections=possible,
            hint="raise it (systemd: LimitNOFILE, a container: --ulimit nofile, a shell: ulimit -Hn),"
            " or lower dicom.scp.maximumNumberOfConnections",
        )
    return possible


def connections_within(free: int, *, connections: int, associations: int) -> int:
    """How many of `connections` there may be where `free` descriptors are left.

    Each association needs another one, for the part file of the instance that it sends. Where there are too
    few for all, these get half of what there is at most.
    """
    return max(1, min(connections, free - min(associations, free // 2)))
