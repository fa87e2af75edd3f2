"""Conversions that hang, crash or fail are told as what they are, and end with their process."""

import sys

import pytest

from port104 import uids
from port104.export.contracts import UnsendableError
from port104.export.converting import Converter

ANSWERS = 'import sys\nfor line in sys.stdin: print(\'{"fault": "%s"}\', flush=True)'


def program(text):
    return (sys.executable, "-c", text)


async def fault_of(converter, tmp_path):
    with pytest.raises(UnsendableError) as refused:
        async with converter.converted(tmp_path / "file", uids.EXPLICIT_VR_LITTLE_ENDIAN):
            pass
    assert not refused.value.final
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ANSWERS % "it is broken", "cannot be converted: it is broken"),
        ("import time; time.sleep(60)", r"took more than 0.5 s"),
        ("raise SystemExit", "a decoder crashed"),
        ("print('x' * 9000, end='', flush=True)\nimport time; time.sleep(60)", "a decoder crashed"),
    ],
)
async def test_what_goes_wrong_is_told_and_the_next_has_another_process(tmp_path, text, words):
    converter = Converter(program(text), seconds=0.5 if "took" in words else 20.0)
    try:
        assert words in await fault_of(converter, tmp_path)
        assert words in await fault_of(converter, tmp_path)
    finally:
        await converter.close()


async def test_one_process_converts_several_into_files_that_are_gone_afterwards(tmp_path):
    text = (
        "import sys, json, os\n"
        "for line in sys.stdin:\n"
        "    open(json.loads(line)['target'], 'w').write(str(os.getpid()))\n"
        '    print(\'{"fault": ""}\', flush=True)'
    )
    converter, seen = Converter(program(text)), set()
    try:
        for _ in range(2):
            async with converter.converted(tmp_path / "file", uids.EXPLICIT_VR_LITTLE_ENDIAN) as made:
                seen.add(made.read_text())
            assert not made.exists()
    finally:
        await converter.close()
    assert len(seen) == 1
