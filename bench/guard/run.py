"""Counts instructions and system calls; fails where one costs more than bench/guard/budget.toml allows.

    run.py [--update]

Times depend on the machine and on who else uses it; the instructions of a fixed piece of work hardly do. Each
program of this folder does its work under callgrind, which counts one stretch of it: see counting.h. What the
kernel does is not counted, so that a system call more would not show: those are counted beside.
"""

import argparse
import contextlib
import io
import os
import platform
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import budget
from budget import Budget

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "guard"
FILE = HERE / "budget.toml"
MARGIN = 0.1  # of a new file
PATIENCE_SECONDS = 300  # for each program; six are enough where nothing else runs

MEGABYTES = 64
# As many completions as wake the event loop however short they wait: TELL_FROM in native/completions.c.
BURST = 128
BURSTS = 16

# The committer is handed each store and sleeps between two: how often a futex is called for that depends on
# who else wants the processor.
UNSTEADY = "C-STORE of 8 KiB, native, sync: system calls"

# ---- programs ----


def compile_programs() -> None:
    """Compile them into build/guard, the native side with the flags of the product."""
    BUILD.mkdir(parents=True, exist_ok=True)
    module = runpy.run_path(str(ROOT / "native" / "build.py"))["ffibuilder"]
    with contextlib.redirect_stdout(io.StringIO()):  # which tells what it generates
        extension = module.distutils_extension(tmpdir=str(BUILD), verbose=False)
    native = [source for source in extension.sources if source.startswith("native/")]
    product = [*extension.extra_compile_args, "-fPIC", *(f"-I{folder}" for folder in extension.include_dirs)]
    counting = "bench/guard/counting.c"
    _compile("scanner", [*product, "bench/guard/scanner.c", counting, *native, *extension.extra_link_args])
    _compile("store", [*product, "bench/guard/store.c", counting, *native, *extension.extra_link_args])
    _compile("libcounting.so", ["-shared", "-fPIC", counting])
    peer = [f"bench/sender/{name}.c" for name in ("association", "channel_plain", "encoding")]
    _compile("sender", ["-std=gnu11", "-O2", "-Ibench/sender", "bench/guard/sender.c", *peer])


def _compiler() -> str:
    return os.environ.get("CC", "cc")


def _compile(program: str, arguments: Sequence[str]) -> None:
    subprocess.run([_compiler(), *arguments, "-o", str(BUILD / program)], cwd=ROOT, check=True)


# ---- measuring ----


def measure() -> dict[str, float]:
    """Every figure: for one MB, or for one instance."""
    with storage() as folder:
        engine = [sys.executable, str(HERE / "engine.py"), str(folder), *_built("sender", "libcounting.so")]
        store = [*_built("store"), str(folder), *_built("sender")]
        burst = [str(BURST), str(BURSTS)]
        figures = {
            **_count([*_built("scanner"), str(MEGABYTES)], MEGABYTES),
            **_count([*store, *burst], BURST * BURSTS),
            **_count([*engine, *burst], BURST * BURSTS),
        }
    return {name: value for name, value in figures.items() if name != UNSTEADY}


def _built(*programs: str) -> list[str]:
    return [str(BUILD / program) for program in programs]


@contextlib.contextmanager
def storage() -> Iterator[Path]:
    """An empty folder, on a RAM disk where there is one: what the disk does must not matter."""
    ram_disk = Path("/dev/shm")
    parent = ram_disk if os.access(ram_disk, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="port104-guard-", dir=parent) as folder:
        yield Path(folder)


def _count(command: Sequence[str], work: int) -> dict[str, float]:
    """Run it under callgrind: the figures of its stretches, in each of which so much `work` is done."""
    with tempfile.TemporaryDirectory(prefix="port104-guard-") as folder:
        dumps = Path(folder) / "callgrind.out"
        options = ["--instr-atstart=no", "--collect-systime=yes", f"--callgrind-out-file={dumps}"]
        ran = subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", *options, *command],
            env=os.environ | {"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{command[0]} ended with {ran.returncode}:\n{ran.stderr[-4000:]}")
        texts = [file.read_text() for file in sorted(dumps.parent.iterdir())]
    return budget.figures(texts, work)


# ---- the guard ----


def surroundings() -> dict[str, str]:
    """What counts depend on."""
    said = subprocess.run([_compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "machine": platform.machine(),
        "compiler": said.splitlines()[0],
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
    }


def update() -> None:
    """Make what is measured the budget: of two measurements, since they are cheap."""
    margin = budget.read(FILE.read_text()).margin if FILE.exists() else MARGIN
    measured = budget.least(measure(), measure())
    FILE.write_text(budget.write(Budget(margin, surroundings(), measured)))


def judge(allowed: Budget, measured: dict[str, float]) -> int:
    """Print the figures beside their budget; the exit code."""
    lines = budget.compare(allowed.figures, measured)
    print(budget.table(lines))
    machine = allowed.measured_with["machine"]
    if platform.machine() != machine:
        print(f"not judged: the budget is for {machine}, this is {platform.machine()}")
        return 0
    for sentence in budget.advice(lines, allowed.margin):
        print(sentence)
    faults = budget.faults(lines, allowed.margin)
    for sentence in faults:
        print(f"FAILED: {sentence}", file=sys.stderr)
    if faults and surroundings() != allowed.measured_with:
        print(f"the budget was measured with {allowed.measured_with}", file=sys.stderr)
        print(f"and this with               {surroundings()}", file=sys.stderr)
    return 1 if faults else 0


def guard() -> int:
    """Measure and judge, once more before it fails; the exit code."""
    allowed = budget.read(FILE.read_text())
    measured = measure()
    if budget.faults(budget.compare(allowed.figures, measured), allowed.margin):
        measured = budget.least(measured, measure())
    return judge(allowed, measured)


def main() -> int:
    """Compile; then guard, or write the budget."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="make what is measured the budget")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: nothing is guarded", file=sys.stderr)
        return 1 if os.environ.get("CI") or arguments.update else 0
    compile_programs()
    if arguments.update:
        update()
    return guard()


if __name__ == "__main__":
    sys.exit(main())
