"""A program that writes data sets anew in a native transfer syntax, without loss: decoders work in it, alone.

Decoders are C and C++ that read what a peer sent: they may crash, hang, or want all memory there is. So this
runs in a process of its own (export/converting.py), with a limit of memory, and whoever waits has a clock.

It reads orders from its standard input, a JSON object each line, and answers each with a line: an object with
a `fault`, which is empty where the file was written. Nothing of a data set is quoted.

Rules that this room keeps:
- what is written is read again, and its pixels are those that were decoded; where two decoders are at hand
  they must agree on each;
- colours stay as they are coded, and so does the SOP instance UID, for it is the same image.
"""

import hashlib
import json
import resource
import sys
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from port104.storage.lossless import LOSSLESS


class UnconvertibleError(Exception):
    """A data set cannot be converted; the text says why, and quotes nothing of it."""


def convert(source: Path, target: Path, transfer_syntax: str) -> None:
    """Write the file `source` as `target`, in a native transfer syntax.

    Raises UnconvertibleError, OSError, and whatever pydicom raises of what it cannot read.
    """
    data_set = pydicom.dcmread(source)
    syntax = UID(data_set.file_meta.TransferSyntaxUID)
    if syntax not in LOSSLESS:
        raise UnconvertibleError(f"transfer syntax {syntax} is none that is decoded without loss")
    digest = None
    if syntax.is_encapsulated and "PixelData" in data_set:
        plugin, digest = _decoded(data_set, syntax)
        data_set.decompress(as_rgb=False, generate_instance_uid=False, decoding_plugin=plugin)
    data_set.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    data_set.save_as(target, enforce_file_format=True)
    if digest is not None and _digest_in(target, digest[1]) != digest[0]:
        raise UnconvertibleError("its pixels are not those that were decoded")


def _decoded(data_set: FileDataset, syntax: UID) -> tuple[str, tuple[bytes, int]]:
    """A decoder that can read it, the digest of all its pixels, and how many bytes they have."""
    decoder = get_decoder(syntax)
    found = {}
    for plugin in decoder.available_plugins:
        try:
            found[plugin] = _digest_by(plugin, data_set, syntax)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S112 - a peer's bytes can make a decoder raise anything
            continue
    if not decoder.available_plugins:
        raise UnconvertibleError(
            f"no decoder for {syntax.name} is installed: pip install port104[conversion]"
        )
    if not found:
        raise UnconvertibleError(f"no decoder can read its pixels ({', '.join(decoder.available_plugins)})")
    if len(set(found.values())) > 1:
        raise UnconvertibleError(f"decoders do not agree on its pixels ({', '.join(found)})")
    return next(iter(found.items()))


def _digest_by(plugin: str, data_set: FileDataset, syntax: UID) -> tuple[bytes, int]:
    digest, size = hashlib.sha256(), 0
    frames = get_decoder(syntax).iter_array(data_set, decoding_plugin=plugin, as_rgb=False)
    for frame, _ in frames:
        pixels = frame.tobytes()
        digest.update(pixels)
        size += len(pixels)
    return digest.digest(), size


def _digest_in(file: Path, size: int) -> bytes:
    """The digest of the pixels in a file, without what pads them to an even length."""
    return hashlib.sha256(pydicom.dcmread(file).PixelData[:size]).digest()


def _fault_of(order: dict[str, str]) -> str:
    try:
        convert(Path(order["source"]), Path(order["target"]), order["syntax"])
    except UnconvertibleError as fault:
        return str(fault)
    except MemoryError:
        return "it needs more memory than a conversion may have"
    except OSError as failure:
        return f"it cannot be read or written: {failure.strerror}"
    except Exception as failure:  # noqa: BLE001 - a peer's bytes can make pydicom raise anything
        return f"it cannot be read as its transfer syntax has it ({type(failure).__name__})"
    return ""


def main() -> None:
    """Serve orders until standard input ends. The argument: bytes of address space."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    for line in sys.stdin:
        print(json.dumps({"fault": _fault_of(json.loads(line))}), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
