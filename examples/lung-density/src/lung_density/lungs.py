"""Finds the lungs by a threshold and connected components, and measures their density.

1. Air and lung are below THRESHOLD.
2. Of its connected parts (6 neighbours) those go that reach the edge of an image: the air around the patient.
3. The largest that stays is lung, and so are those of a tenth of its size or more: the other lung, but no
   bowel gas, and no trachea where its wall is seen.
4. Volume is counted over all of these voxels. Density is measured without the outermost of them, in which
   lung and what is beside it are mixed, and which would pass for ground glass.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lung_density import UnfitError
from lung_density.series import Series

# In Hounsfield units: between aerated lung (some -850) and soft tissue (some 40), and as high as ground glass
# reaches.
THRESHOLD = -300
EMPHYSEMA_BELOW = -950
GROUND_GLASS_FROM = -750  # up to THRESHOLD

_PART_OF_LARGEST = 0.1
_LEAST_ML = 100.0  # less is no lung, not of a child either

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lungs:
    """Where the lungs are, voxel by voxel: all of them, and the part in which density is measured."""

    whole: Mask
    core: Mask


@dataclass(frozen=True)
class Figures:
    """What was measured: ml, Hounsfield units, and parts of 1."""

    volume_ml: float
    mean_hu: float
    emphysema: float
    ground_glass: float


def find(series: Series) -> Lungs:
    """Find the lungs. Raises UnfitError where there are none."""
    labels, count = ndimage.label(series.values < THRESHOLD)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        sizes[np.unique(edge)] = 0
    largest = sizes.max()
    if largest * series.voxel_ml < _LEAST_ML:
        raise UnfitError(
            f"no lung was found: nothing below {THRESHOLD} HU inside the patient has {_LEAST_ML:.0f} ml; send"
            " a CT series of the thorax that shows the whole chest wall"
        )
    whole = (sizes >= _PART_OF_LARGEST * largest)[labels]
    # Where the scan ends within the lung is no surface of it.
    core = ndimage.binary_erosion(np.pad(whole, ((1, 1), (0, 0), (0, 0)), mode="edge"))[1:-1]
    return Lungs(whole, core)


def measure(series: Series, lungs: Lungs) -> Figures:
    """Measure the lungs that were found."""
    values = series.values[lungs.core]
    return Figures(
        volume_ml=float(np.count_nonzero(lungs.whole)) * series.voxel_ml,
        mean_hu=float(values.mean()),
        emphysema=float(np.mean(values < EMPHYSEMA_BELOW)),
        ground_glass=float(np.mean(values >= GROUND_GLASS_FROM)),
    )
