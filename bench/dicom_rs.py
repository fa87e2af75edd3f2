"""dicom-rs's dicom-storescp, built by cargo from crates.io into build/bench."""

import subprocess
from pathlib import Path

from receivers import AE_TITLE, BUILD, NotInstalledError, Receiver, installed

VERSION = "0.10.1"
ROOT = BUILD / "dicom-rs"
PROGRAM = ROOT / "bin" / "dicom-storescp"
# Its log lines per instance are filtered by module; the program itself sets `info` for the crate.
QUIET = ",".join(f"dicom_storescp::{module}=error" for module in ("store_async", "store_sync", "transfer"))


def install() -> None:
    """Build it once, some minutes on one core. Raises NotInstalledError."""
    if PROGRAM.exists():
        return
    package = f"dicom-storescp@{VERSION}"
    command = [installed("cargo"), "install", "--locked", "--quiet", "--root", str(ROOT), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalledError(f"cargo install: {done.stderr.strip().splitlines()[-1:]}")


def dicom_rs(*, serves_many: bool) -> Receiver:
    """Asynchronous, which serves many, or its default: one at a time. Raises NotInstalledError."""
    install()
    options = ["--max-pdu-length", "1048576", *(["--non-blocking"] if serves_many else [])]

    def command(port: int, folder: Path) -> list[str]:
        own = ["--calling-ae-title", AE_TITLE, "-p", str(port), "-o", str(folder / "files")]
        return [str(PROGRAM), *options, *own]

    return Receiver(
        name="dicom-rs (non-blocking)" if serves_many else "dicom-rs",
        version=VERSION,
        settings=" ".join(options),
        command=command,
        streams=False,
        most=10_000 if serves_many else 1,
        environment={"RUST_LOG": QUIET},
    )
