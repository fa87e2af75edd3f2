"""The slices with what was found drawn into them, as Secondary Captures (PS3.3 A.8.1).

Each picture is an image of its own, not a frame of many: every archive takes those, and every viewer shows
their series as a stack beside the CT. Each says which CT image it was made from, and lies where that lies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from highdicom.sc import SCImage
from highdicom.spatial import get_closest_patient_orientation
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid
from scipy import ndimage

from lung_density import __version__
from lung_density.lungs import EMPHYSEMA_BELOW, GROUND_GLASS_FROM, THRESHOLD, Lungs, Mask
from lung_density.series import Series

_APART = 5.0  # mm from picture to picture at least: thin slices would give more bytes than the CT has
# Where a picture lies, so that viewers scroll it along with the CT.
_PLACE = (
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceThickness",
    "PixelSpacing",
)
_WINDOW = -1350, 150  # HU that are black and white: the usual window for lungs

Colour = tuple[int, int, int]
_OUTLINE: Colour = (90, 220, 120)
_EMPHYSEMA: Colour = (80, 140, 255)
_GROUND_GLASS: Colour = (255, 160, 40)
_WARNING: Colour = (255, 90, 90)


@dataclass(frozen=True)
class Marks:
    """What is drawn into one slice, pixel by pixel."""

    outline: Mask
    emphysema: Mask
    ground_glass: Mask


def pictures(series: Series, lungs: Lungs, number: int) -> Iterator[Dataset]:
    """Make the pictures of all slices with lung, as the series with that number."""
    uid = generate_uid()
    for position, index in enumerate(_chosen(series, lungs), start=1):
        pixels = _drawn(series.values[index], _marks(series, lungs, index))
        yield _capture(series.images[index], pixels, uid, number, position)


def _chosen(series: Series, lungs: Lungs) -> Iterator[int]:
    every = max(1, round(_APART / series.spacing[0]))
    with_lung = np.flatnonzero(lungs.whole.any(axis=(1, 2)))
    yield from (int(index) for index in with_lung[::every])


def _marks(series: Series, lungs: Lungs, index: int) -> Marks:
    whole, core, values = lungs.whole[index], lungs.core[index], series.values[index]
    return Marks(
        outline=whole & ~ndimage.binary_erosion(whole),
        emphysema=core & (values < EMPHYSEMA_BELOW),
        ground_glass=core & (values >= GROUND_GLASS_FROM),
    )


def _drawn(values: NDArray[np.int16], marks: Marks) -> NDArray[np.uint8]:
    """The slice in grey, with what was found in colour."""
    black, white = _WINDOW
    grey = np.clip((values.astype(np.float32) - black) / (white - black), 0, 1) * 255
    picture = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    for mask, colour in ((marks.emphysema, _EMPHYSEMA), (marks.ground_glass, _GROUND_GLASS)):
        picture[mask] = (picture[mask] + colour) / 2
    picture[marks.outline] = _OUTLINE
    return _labelled(Image.fromarray(picture.astype(np.uint8)))


def _labelled(picture: Image.Image) -> NDArray[np.uint8]:
    size = max(9, picture.height // 40)
    draw = ImageDraw.Draw(picture)
    for line, (text, colour) in enumerate(
        (
            ("demonstration, not for diagnosis", _WARNING),
            (f"lung below {THRESHOLD} HU", _OUTLINE),
            (f"below {EMPHYSEMA_BELOW} HU", _EMPHYSEMA),
            (f"{GROUND_GLASS_FROM} to {THRESHOLD} HU", _GROUND_GLASS),
        )
    ):
        draw.text((size // 2, size // 2 + line * size * 1.2), text, fill=colour, font_size=size)
    return np.asarray(picture)


def _capture(image: Dataset, pixels: NDArray[np.uint8], series: str, number: int, position: int) -> Dataset:
    capture = SCImage.from_ref_dataset(
        ref_dataset=image,
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=series,
        series_number=number,
        sop_instance_uid=generate_uid(),
        instance_number=position,
        manufacturer="port104",
        manufacturer_model_name="lung-density",
        software_versions=__version__,
        series_description="Lung density (not for diagnosis)",
        content_qualification="RESEARCH",
        patient_orientation=_orientation(image),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.BurnedInAnnotation = "NO"  # there is text, but none of the patient
    capture.DerivationDescription = "lung density: outline, emphysema and ground glass drawn in"
    capture.SourceImageSequence = [_source(image)]
    capture.BodyPartExamined = "CHEST"
    for keyword in _PLACE:
        setattr(capture, keyword, image.get(keyword, ""))
    return capture


def _orientation(image: Dataset) -> tuple[str, str]:
    """Where rows and columns go to, as the nearest directions of the patient (PS3.3 C.7.6.1.1.1)."""
    row, column = np.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
    along_row, along_column, _ = get_closest_patient_orientation(
        np.stack([row, column, np.cross(row, column)], axis=1)
    )
    return along_row.value, along_column.value


def _source(image: Dataset) -> Dataset:
    source = Dataset()
    source.ReferencedSOPClassUID = image.SOPClassUID
    source.ReferencedSOPInstanceUID = image.SOPInstanceUID
    source.PurposeOfReferenceCodeSequence = [
        CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    return source
