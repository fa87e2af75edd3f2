"""Describe the compiled module `port104._native` to setuptools (cffi, API mode).

The headers are handed to cffi as they are: what the C compiler checks is what Python calls.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
# Headers that Python calls, in this order: later ones use the types of earlier ones.
HEADERS = (
    *("pdata", "dataset", "link", "tls", "command", "meta", "spool", "intake", "courier"),
    *("file_meta", "looking"),
)
SOURCES = (
    *HEADERS,
    *("blake2b", "buffers", "checksum", "link_sending", "parcel"),
    *("folders", "identity", "part", "journal", "journal_files", "recovery"),
    *("work", "store", "transfer", "commit", "checkpoint", "completions"),
)

ffibuilder = FFI()
for header in HEADERS:
    ffibuilder.cdef((HERE / f"{header}.h").read_text())
ffibuilder.set_source(
    "port104._native",
    "#include <stddef.h>\n#include <stdint.h>\n" + "".join(f'#include "{header}.h"\n' for header in HEADERS),
    sources=[f"native/{source}.c" for source in SOURCES],
    include_dirs=[str(HERE)],
    depends=sorted(str(header) for header in HERE.glob("*.h")),
    extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE"],
    extra_link_args=["-pthread"],
)
