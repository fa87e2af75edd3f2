"""The chart as helm renders it, and what the tests ask of the result."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lacking import lacking

CHART = Path(__file__).parents[2] / "charts" / "port104"
NAMESPACE = "imaging"
POD = "port104-0"
NOTES = "port104/templates/NOTES.txt"


def helm():
    """helm's own code as a library. Without it the test is skipped; in CI it fails."""
    try:
        import helm_python.chart  # noqa: PLC0415 - `make build` does not install it
    except ImportError:
        lacking("helm is not installed: make chart")
    return helm_python.chart


def refused(values: dict[str, Any]) -> str:
    """What helm says of values that are wrong."""
    with pytest.raises(Exception, match=r"\S") as failure:
        Rendered(values)
    return str(failure.value)


class Rendered:
    """The manifests of one set of values."""

    def __init__(self, values: dict[str, Any], name: str = "port104") -> None:
        with helm().Chart.load(CHART) as chart:
            chart.validate_schema(values)
            texts = chart.render(values, name=name, namespace=NAMESPACE)
        self.notes = texts.pop(NOTES)
        self.manifests = [
            each for text in texts.values() for each in yaml.safe_load_all(text) if each is not None
        ]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.manifests if each["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        [found] = self.all(kind)
        return found

    @property
    def pod(self) -> dict[str, Any]:
        return self.one("StatefulSet")["spec"]["template"]["spec"]

    @property
    def container(self) -> dict[str, Any]:
        [found] = self.pod["containers"]
        return found

    @property
    def configuration(self) -> str:
        return self.one("ConfigMap")["data"]["appsettings.json"]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the first pod, as Kubernetes makes them."""
        found: dict[str, str] = {}
        for each in self.container["env"]:
            value = each.get("value", POD)
            found[each["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], value)
        return found

    def service(self, ending: str = "") -> dict[str, Any] | None:
        full = self.one("StatefulSet")["metadata"]["name"]
        return next((each for each in self.all("Service") if each["metadata"]["name"] == full + ending), None)
