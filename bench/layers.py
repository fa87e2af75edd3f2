"""Where the processor time of one C-STORE goes: samples of the whole engine, by layer, as a Markdown table.

    python bench/layers.py [SIZE ASSOCIATIONS]

Needs Linux's `perf`. One association sends instances of SIZE bytes (8192) to port104 (os) on the RAM disk
while perf samples the engine's processor time with call chains. A sample belongs to the first layer that one
of its frames names; the table gives each layer's share, and that share of the engine's microseconds per
instance.
"""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from ballast import ballast
from cells import Cell
from processes import alone, compile_programs, load, prepare, running
from receivers import port104

RAM_DISK = Path("/dev/shm")
FREQUENCY = 5000
# Layer, and the functions that a call chain of it passes through; the first that fits takes the sample.
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "wait for the next message (epoll, poll, yield)",
        ("sys_epoll_wait", "sys_epoll_pwait", "sys_poll", "sys_sched_yield", "p104_linger"),
    ),
    ("watch the socket again (epoll_ctl)", ("sys_epoll_ctl",)),
    ("receive (recv)", ("sys_recvfrom", "sys_recv")),
    ("receive and write without a copy (splice)", ("sys_splice",)),
    ("make the part file (openat)", ("sys_openat", "do_sys_open")),
    ("write (writev)", ("sys_writev", "do_writev")),
    ("close", ("sys_close",)),
    ("give it its name (renameat2)", ("sys_renameat",)),
    ("send the response, which wakes the peer (sendto)", ("sys_sendto",)),
    ("sync", ("sys_syncfs", "sys_fdatasync", "sys_fsync")),
    ("locks and wake-ups between threads (futex, eventfd)", ("sys_futex", "sys_write", "sys_read")),
    ("native: scan PDUs, read the command", ("p104_scan", "p104_read_store", "p104_link_next")),
    (
        "native: name of the file",
        ("p104_file_name", "p104_blake2b", "mix", "compress", "put_text", "part_name"),
    ),
    ("native: File Meta Information, response", ("p104_encode", "put_uid")),
    ("native: pick elements", ("p104_pick",)),
    ("native: everything else", ("p104_",)),
)
PYTHON, C_LIBRARY, KERNEL = (
    "Python: stored instances told",
    "C library",
    "kernel: interrupts, scheduler, else",
)


def layer_of(frames: list[tuple[str, str]]) -> str:
    """The layer of one sample; frames are (function, object), innermost first."""
    for layer, names in LAYERS:
        if any(name in function for function, _ in frames for name in names):
            return layer
    if any("python" in where for _, where in frames):
        return PYTHON
    innermost = frames[0][1] if frames else ""
    return C_LIBRARY if "libc" in innermost else KERNEL


def samples(script: str) -> Counter[str]:
    """Count samples by layer in what `perf script` says: a head line, its frames, an empty line."""
    counted: Counter[str] = Counter()
    for block in script.split("\n\n"):
        frames = []
        for line in block.splitlines()[1:]:
            _, _, rest = line.strip().partition(" ")
            function, _, where = rest.rpartition(" (")
            frames.append((function, where.rstrip(")")))
        if frames:
            counted[layer_of(frames)] += 1
    return counted


def measure(cell: Cell) -> tuple[Counter[str], float]:
    """Samples by layer, and the engine's processor time per instance in microseconds."""
    data = Path(RAM_DISK / "port104-bench-layers.data")
    with ballast(RAM_DISK, on_ram_disk=True) as warm_pages, running(port104("os"), RAM_DISK) as started:
        warm_pages.release(6 << 30)
        most = cell.most_instances(3 << 30)
        with load(started.port, cell.warm_up(slow=False), most, 1) as opened:
            opened.run()
        command = ["perf", "record", "-q", "-g", "-e", "cpu-clock", "-F", str(FREQUENCY)]
        with (
            load(started.port, cell, most, 1) as opened,
            subprocess.Popen([*command, "-o", str(data), "-p", str(started.pid)]) as perf,
        ):
            time.sleep(0.5)  # until perf has attached
            before = started.cpu_seconds()
            sent = opened.run()
            used = started.cpu_seconds() - before
            perf.terminate()
    script = subprocess.run(
        ["perf", "script", "-i", str(data), "-F", "comm,ip,sym,dso"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    data.unlink()
    return samples(script), used / sent["instances"] * 1e6


def main() -> None:
    """Measure, and print the table."""
    size, associations = (int(one) for one in (sys.argv[1:3] or ("8192", "1")))
    compile_programs()
    prepare(RAM_DISK)
    with alone():
        counted, microseconds = measure(Cell(size, associations, 3.0))
    total = counted.total()
    print(
        f"{Cell(size, associations).name}: {microseconds:.1f} us of the engine's processor time an instance\n"
    )
    print("| layer | share | us |\n|---|---|---|")
    for layer, count in counted.most_common():
        print(f"| {layer} | {count / total:.1%} | {count / total * microseconds:.1f} |")


if __name__ == "__main__":
    main()
