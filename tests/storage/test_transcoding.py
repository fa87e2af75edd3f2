"""What is converted has the pixels that it had, and everything else that it had."""

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from peers import run_peer
from port104 import uids
from port104.storage import transcoding
from port104.storage.lossless import LOSSLESS
from port104.storage.transcoding import UnconvertibleError, _fault_of

NATIVES = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)
RLE = "1.2.840.10008.1.2.5"
# As it came -> the same image as it was before it was compressed.
SAME = {
    "MR_small_RLE.dcm": "MR_small.dcm",
    "MR_small_jpeg_ls_lossless.dcm": "MR_small.dcm",
    "MR_small_jp2klossless.dcm": "MR_small.dcm",
    "MR_small_implicit.dcm": "MR_small.dcm",
    "SC_rgb_rle_32bit.dcm": "SC_rgb_32bit.dcm",
    "SC_rgb_rle_2frame.dcm": "SC_rgb_2frame.dcm",
    "SC_rgb_rle_16bit_2frame.dcm": "SC_rgb_16bit_2frame.dcm",
}


PROGRAM = [sys.executable, "-m", "port104.storage.transcoding", str(6 * 1024**3)]


@pytest.fixture(scope="module")
def convert():
    """As transcoding.convert, in its own process: in this one GDCM is kept out."""
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def work(source, target, syntax):
            order = {"source": str(source), "target": str(target), "syntax": syntax}
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            if fault := json.loads(process.stdout.readline())["fault"]:
                raise UnconvertibleError(fault)

        yield work
        process.stdin.close()


def path_of(name):
    return get_testdata_file(name)


def pixels_of(path):
    """As pydicom decodes them where GDCM is not kept out."""
    program = (
        "import numpy, pydicom, sys; numpy.save(sys.stdout.buffer, pydicom.dcmread(sys.argv[1]).pixel_array)"
    )
    decoded = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True)
    return np.load(io.BytesIO(decoded.stdout))


@pytest.mark.parametrize("native", NATIVES)
@pytest.mark.parametrize(("name", "original"), SAME.items(), ids=SAME)
def test_the_pixels_are_those_before_compression(convert, tmp_path, name, original, native):
    convert(path_of(name), tmp_path / "made", native)
    made, before = pydicom.dcmread(tmp_path / "made"), pydicom.dcmread(path_of(name))
    assert made.file_meta.TransferSyntaxUID == native
    assert made.SOPInstanceUID == before.SOPInstanceUID
    assert np.array_equal(made.pixel_array, pydicom.dcmread(path_of(original)).pixel_array)
    changed = {"PixelData", "PlanarConfiguration", "NumberOfFrames"}
    for element in before:
        if element.keyword not in changed:
            assert made[element.tag].value == element.value, element.tag


@pytest.mark.parametrize(
    "name", ["JPEG-LL.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm", "image_dfl.dcm", "reportsi.dcm"]
)
def test_others_are_converted_or_refused_by_their_transfer_syntax(convert, tmp_path, name):
    source = path_of(name)
    before = pydicom.dcmread(source)
    if before.file_meta.TransferSyntaxUID not in LOSSLESS:
        with pytest.raises(UnconvertibleError, match="none that is decoded without loss"):
            convert(source, tmp_path / "made", NATIVES[0])
        return
    convert(source, tmp_path / "made", NATIVES[0])
    made = pydicom.dcmread(tmp_path / "made")
    assert made.file_meta.TransferSyntaxUID == NATIVES[0]
    if "PixelData" in made:
        assert np.array_equal(made.pixel_array, pixels_of(source))


@pytest.mark.peer
@pytest.mark.parametrize(
    ("program", "syntax"),
    [("dcmcjpeg", "1.2.840.10008.1.2.4.70"), ("dcmcjpls", "1.2.840.10008.1.2.4.80"), ("dcmcrle", RLE)],
)
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "SC_rgb_small_odd.dcm"])
def test_what_dcmtk_compressed(convert, tmp_path, program, syntax, name):
    options = ["+un"] if program != "dcmcrle" else []
    code, output = run_peer(program, *options, path_of(name), tmp_path / "compressed")
    assert code == 0, output
    before, compressed = pydicom.dcmread(path_of(name)), pydicom.dcmread(tmp_path / "compressed")
    assert compressed.file_meta.TransferSyntaxUID == syntax
    convert(tmp_path / "compressed", tmp_path / "made", NATIVES[0])
    made = pydicom.dcmread(tmp_path / "made")
    assert made.SOPInstanceUID == compressed.SOPInstanceUID
    assert made.PhotometricInterpretation == compressed.PhotometricInterpretation
    assert np.array_equal(made.pixel_array, before.pixel_array)


def test_pixels_that_cannot_be_read(convert, tmp_path):
    data_set = pydicom.dcmread(path_of("MR_small_jpeg_ls_lossless.dcm"))
    data_set.PixelData = pydicom.encaps.encapsulate([b"no image at all"])
    data_set.save_as(tmp_path / "broken")
    with pytest.raises(UnconvertibleError, match="no decoder can read its pixels"):
        convert(tmp_path / "broken", tmp_path / "made", NATIVES[0])


def test_decoders_that_do_not_agree(tmp_path, monkeypatch):
    decoder = SimpleNamespace(available_plugins=("one", "other"))
    monkeypatch.setattr(transcoding, "get_decoder", lambda syntax: decoder)
    monkeypatch.setattr(transcoding, "_digest_by", lambda plugin, *_: (plugin.encode(), 1))
    with pytest.raises(UnconvertibleError, match="decoders do not agree on its pixels"):
        transcoding.convert(path_of("MR_small_jpeg_ls_lossless.dcm"), tmp_path / "made", NATIVES[0])


@pytest.mark.parametrize(
    ("source", "words"),
    [("gone", "it cannot be read or written: No such file"), ("text", "as its transfer syntax has it")],
)
def test_faults_are_told_without_what_is_in_the_file(tmp_path, source, words):
    (tmp_path / "text").write_text("Doe^John")
    order = {"source": str(tmp_path / source), "target": str(tmp_path / "made"), "syntax": NATIVES[0]}
    fault = _fault_of(order)
    assert words in fault
    assert "Doe" not in fault


def test_the_program_answers_each_order(tmp_path):
    orders = [
        {"source": source, "target": str(tmp_path / "made"), "syntax": NATIVES[0]}
        for source in (path_of("MR_small_RLE.dcm"), str(tmp_path / "none"))
    ]
    done = subprocess.run(
        PROGRAM,
        input="".join(json.dumps(order) + "\n" for order in orders),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, second = [json.loads(line)["fault"] for line in done.stdout.splitlines()]
    assert first == ""
    assert "No such file" in second
    assert pydicom.dcmread(tmp_path / "made").file_meta.TransferSyntaxUID == NATIVES[0]


def test_the_engine_loads_no_decoder_of_gdcm():
    done = subprocess.run(
        [sys.executable, "-c", "import port104.storage.reading, sys; print(sys.modules['gdcm'])"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "None\n"
