"""Whether an engine's use of memory, descriptors, threads and tasks is flat over one life."""

import statistics

from soak.lives import Use

# An allocator's arenas and a peer or two more at the time: a leak of 10 bytes an instance would be above it
# within the half hour that a soak takes.
MEMORY_SHARE, MEMORY_BYTES = 0.05, 8 << 20
PEERS = 12  # descriptors and tasks go with the peers that happen to be there
CACHED_THREADS = 1  # trio's worker threads come and go
PIPES = 2  # descriptors that an I/O thread opens when it first has a large data set


def medians(uses):
    """The medians of the second and of the last quarter."""
    quarter = max(1, len(uses) // 4)
    second, last = uses[quarter : 2 * quarter] or uses, uses[-quarter:]
    return tuple(
        Use(*(statistics.median(each) for each in zip(*part, strict=True))) for part in (second, last)
    )


def growth(uses, idle_before, idle_after):
    """What grew, in words; empty: nothing."""
    second, last = medians(uses)
    if last.memory > second.memory * (1 + MEMORY_SHARE) + MEMORY_BYTES:
        yield f"memory grew from {second.memory / 1e6:.1f} to {last.memory / 1e6:.1f} MB under load"
    for name in ("descriptors", "tasks"):
        before, after = getattr(second, name), getattr(last, name)
        if after > before + PEERS:
            yield f"{name} grew from {before:.0f} to {after:.0f} under load"
    if last.threads > second.threads + CACHED_THREADS:
        yield f"threads grew from {second.threads} to {last.threads} under load"
    if idle_after.tasks > idle_before.tasks:
        yield f"{idle_after.tasks - idle_before.tasks} tasks are left without peers"
    pipes = PIPES * idle_after.threads
    if idle_after.descriptors > idle_before.descriptors + pipes:
        yield f"{idle_after.descriptors - idle_before.descriptors} descriptors are left without peers"
