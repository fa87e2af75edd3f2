"""The figures as a Comprehensive SR (PS3.3 A.35.3) with a Measurement Report (PS3.16 TID 1500)."""

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from lung_density import __version__
from lung_density.lungs import EMPHYSEMA_BELOW, GROUND_GLASS_FROM, THRESHOLD, Figures
from lung_density.series import Series

# No standard has codes for these two.
_SCHEME = "99PORT104"
_EMPHYSEMA = Code("lung-density-1", _SCHEME, f"Part of lung below {EMPHYSEMA_BELOW} HU")
_GROUND_GLASS = Code("lung-density-2", _SCHEME, f"Part of lung from {GROUND_GLASS_FROM} to {THRESHOLD} HU")

_CT_OF_CHEST = Code("24627-2", "LN", "CT Chest")


def report(series: Series, figures: Figures, number: int) -> Dataset:
    """Make the report, as the series with that number."""
    return ComprehensiveSR(
        evidence=series.images,
        content=_content(series, figures),
        series_instance_uid=generate_uid(),
        series_number=number,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="port104",
        manufacturer_model_name="lung-density",
        software_versions=__version__,
        series_description="Lung density (not for diagnosis)",
        is_complete=True,
        is_verified=False,
        coding_schemes=[CodingSchemeIdentificationItem(_SCHEME, name="port104, lung-density")],
        specific_character_set=series.images[0].get("SpecificCharacterSet"),
    )


def _content(series: Series, figures: Figures) -> MeasurementReport:
    device = DeviceObserverIdentifyingAttributes(
        uid=generate_uid(), name="lung-density", manufacturer_name="port104"
    )
    return MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=_CT_OF_CHEST,
        imaging_measurements=[_measured(series, figures)],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _measured(series: Series, figures: Figures) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(identifier="lungs", uid=generate_uid()),
        finding_sites=[FindingSite(codes.SCT.Lung)],
        algorithm_id=AlgorithmIdentification(
            name="lung-density",
            version=__version__,
            parameters=[
                "demonstration, not for diagnosis",
                f"lung: connected parts below {THRESHOLD} HU",
                "density without the outermost voxels",
            ],
        ),
        source_images=[SourceImageForMeasurementGroup.from_source_image(image) for image in series.images],
        measurements=[
            Measurement(codes.SCT.Volume, round(figures.volume_ml), codes.UCUM.CubicCentimeter),
            Measurement(
                codes.DCM.AttenuationCoefficient,
                round(figures.mean_hu, 1),
                codes.UCUM.HounsfieldUnit,
                derivation=codes.SCT.Mean,
            ),
            Measurement(_EMPHYSEMA, round(100 * figures.emphysema, 2), codes.UCUM.Percent),
            Measurement(_GROUND_GLASS, round(100 * figures.ground_glass, 2), codes.UCUM.Percent),
        ],
    )
