"""One CT series, read and held to what a measurement needs.

A volume is measured, so the images must be one: parallel, evenly spaced, one above the other, with values
that can be told in Hounsfield units. What is not so is refused, never repaired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import pixel_array

from lung_density import UnfitError

_FEWEST = 3  # images: two have one distance, which is always even
_EVEN = 0.1  # part of the distance between two images by which it may differ; positions are rounded
_ALONG = 0.01  # of a mm for each mm: how far images may be shifted against each other (0.6 degrees)
_SAME = ("Rows", "Columns", "PixelSpacing", "FrameOfReferenceUID")
# What results take over. It may be empty (PS3.3 C.7.1.1, C.7.2.1), but who anonymises may leave it out.
_MAY_BE_EMPTY = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
)


@dataclass(frozen=True)
class Series:
    """A CT series as one volume.

    `images`: the data sets without their pixels, in the order of their positions along their planes' normal.
    `values`: Hounsfield units; slices, rows, columns.
    `spacing`: mm from one to the next of each.
    """

    images: Sequence[Dataset]
    values: NDArray[np.int16]
    spacing: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in ml."""
        return float(np.prod(self.spacing)) / 1000


def read(paths: Sequence[Path]) -> Series:
    """Read the files of a CT series. Raises UnfitError."""
    if len(paths) < _FEWEST:
        raise UnfitError(
            f"the CT series has {len(paths)} of the {_FEWEST} images or more that make a volume; send all"
        )
    images = [_completed(dcmread(path)) for path in paths]
    _check_alike(images)
    normal = _normal(images)
    images.sort(key=lambda image: float(normal @ _position(image)))
    rows, columns = (float(each) for each in images[0].PixelSpacing)
    spacing = (_distance(images, normal), rows, columns)
    values = np.stack([_hounsfield(image) for image in images])
    for image in images:
        del image.PixelData  # `values` has it
    return Series(images, values, spacing)


def _completed(image: Dataset) -> Dataset:
    for keyword in _MAY_BE_EMPTY:
        if keyword not in image:
            setattr(image, keyword, None)
    return image


def _check_alike(images: Sequence[Dataset]) -> None:
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", *_SAME):
        for image in images:
            if keyword not in image:
                raise UnfitError(f"{_named(image)} has no {keyword}; send images as the scanner made them")
    for keyword in _SAME:
        if len({str(image[keyword].value) for image in images}) > 1:
            raise UnfitError(
                f"images of the series differ in {keyword}, so they are no volume; reconstruct them alike"
            )


def _normal(images: Sequence[Dataset]) -> NDArray[np.float64]:
    """The direction in which the images lie above each other (PS3.3 C.7.6.2.1.1)."""
    orientations = np.array([image.ImageOrientationPatient for image in images], dtype=float)
    if np.ptp(orientations, axis=0).max() > _ALONG:
        raise UnfitError("the images are not parallel to each other; send one stack of parallel slices")
    row, column = orientations[0].reshape(2, 3)
    return np.cross(row, column)


def _distance(images: Sequence[Dataset], normal: NDArray[np.float64]) -> float:
    """The mean distance in mm between images in their order."""
    steps = np.diff([_position(image) for image in images], axis=0)
    distances = steps @ normal
    mean, usual = float(distances.mean()), float(np.median(distances))
    off = np.abs(distances - usual)
    if off.max() >= _EVEN * mean:
        index = int(off.argmax())
        raise UnfitError(
            f"the images are not evenly spaced: it is {distances[index]:.2f} mm from {_named(images[index])}"
            f" to {_named(images[index + 1])} and {usual:.2f} mm elsewhere; send what is missing, or take out"
            " what is doubled"
        )
    _check_upright(steps - np.outer(distances, normal), mean)
    return mean


def _check_upright(shifts: NDArray[np.float64], distance: float) -> None:
    """`shifts`: how far each image lies beside the one before it."""
    shift = float(np.linalg.norm(shifts, axis=1).max())
    if shift > _ALONG * distance:
        degrees = np.degrees(np.arctan2(shift, distance))
        raise UnfitError(
            f"the gantry was tilted: an image is shifted against the one below by {shift:.2f} mm"
            f" ({degrees:.1f} degrees); reconstruct the series without tilt"
        )


def _position(image: Dataset) -> NDArray[np.float64]:
    return np.array(image.ImagePositionPatient, dtype=float)


def _hounsfield(image: Dataset) -> NDArray[np.int16]:
    """The values of an image in Hounsfield units (PS3.3 C.11.1.1.2)."""
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        if image.get(keyword) is None:
            raise UnfitError(
                f"{_named(image)} has no {keyword}, so its values are not Hounsfield units; send CT as"
                " the scanner made it"
            )
    if image.get("RescaleType", "HU") != "HU":
        raise UnfitError(
            f'the values of {_named(image)} are "{image.RescaleType}" and not HU; send another series'
        )
    try:
        stored = pixel_array(image)
    except (RuntimeError, NotImplementedError, AttributeError, ValueError) as fault:
        syntax = image.file_meta.TransferSyntaxUID.name
        raise UnfitError(f"the pixels of {_named(image)} ({syntax}) cannot be read: {fault}") from fault
    values = np.rint(stored * float(image.RescaleSlope) + float(image.RescaleIntercept))
    return values.clip(-32768, 32767).astype(np.int16)


def _named(image: Dataset) -> str:
    return f"image {image.get('InstanceNumber', '?')}"
