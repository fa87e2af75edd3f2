"""The figures are those of the phantom."""

from dataclasses import asdict

import numpy as np
import pytest

import phantom
from lung_density import UnfitError
from lung_density.lungs import find, measure
from lung_density.series import Series, read


@pytest.fixture(scope="module")
def series(chest):
    return read(sorted(chest.iterdir()))


def test_the_figures_are_right_to_two_percent(series):
    found = measure(series, find(series))
    assert asdict(found) == pytest.approx(asdict(phantom.truth()), rel=0.02)


def test_neither_trachea_nor_bowel_nor_the_air_around_are_lung(series):
    places = np.argwhere(find(series).whole) * series.spacing
    middle = np.array([phantom.SLICES * phantom.SPACING, phantom.FIELD, phantom.FIELD]) / 2
    z, y, x = np.abs(places - middle).max(axis=0)
    pixel = series.spacing[1]
    assert x < phantom.LEFT[0] + phantom.RIGHT_AXES[0] + pixel
    assert y < phantom.RIGHT_AXES[1] + pixel
    assert z < phantom.RIGHT_AXES[2] + phantom.SPACING
    assert np.abs(places[:, 2] - middle[2]).min() > phantom.LEFT[0] - phantom.RIGHT_AXES[0] - pixel


def test_where_the_scan_ends_within_the_lung_nothing_is_taken_off(series):
    middle = slice(phantom.SLICES // 2 - 5, phantom.SLICES // 2 + 5)
    cut = Series(series.images[middle], series.values[middle], series.spacing)
    assert (find(cut).core == find(series).core[middle]).all()


@pytest.mark.parametrize("hu", [phantom.TISSUE, phantom.AIR])
def test_without_lungs_there_are_no_figures(series, hu):
    """Nothing but tissue, or nothing but air, which reaches the edge."""
    empty = Series(series.images, np.full_like(series.values, hu), series.spacing)
    with pytest.raises(UnfitError, match=r"no lung was found: .* send a CT series of the thorax"):
        find(empty)
