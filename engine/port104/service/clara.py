"""The file around the settings: Clara's root `DicomAdapter` and the sections beside it.

`Serilog` and `Logging` configure .NET's logging libraries. Where they say what port104 has a
setting for, they set it (`log.*`, which wins when it is given too); everything else in them is
reported as unused. They are open by nature: a key in them that port104 does not know is no fault. As
.NET does, keys are compared regardless of case.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from port104.service import schema
from port104.service.decoding import Fault, Tree, canonical
from port104.service.documents import subset
from port104.service.settings.section import Section
from port104.service.settings.tree import Settings


class Layer(msgspec.Struct, frozen=True):
    """Settings that come from one place."""

    tree: Mapping[Any, Any]
    origin: str
    """The place, for people: `site.json`, `environment PORT104_LOG__LEVEL`."""


class Unused(msgspec.Struct, frozen=True):
    """A known key that has no effect."""

    path: str
    origin: str
    why: str


class AppSettings(Section, frozen=True, rename="pascal"):
    """The top level of a file in Clara's shape."""

    dicom_adapter: Any = None
    """The settings of port104."""
    serilog: Any = None
    logging: Any = None
    allowed_hosts: Any = None
    connection_strings: Any = None
    kestrel: Any = None
    urls: Any = None


_UNUSED_BESIDE = {
    "AllowedHosts": "tokens say who may use the API, and api.host where it listens",
    "ConnectionStrings": "registry.url names the database of port104",
    "Kestrel": "api.host, api.port and api.tls say where the API listens",
    "Urls": "api.host, api.port and api.tls say where the API listens",
}


def interpret(document: Mapping[Any, Any], origin: str, faults: list[Fault]) -> list[Layer | Unused]:
    """Split a file into settings, in increasing precedence, and keys that have no effect."""
    beside, inside = _unwrapped(document, faults)
    found: list[Layer | Unused] = [
        Unused(name, origin, why) for name, why in _UNUSED_BESIDE.items() if name in beside
    ]
    for name, mapped in (("Logging", _logging), ("Serilog", _serilog)):
        section = _object(beside, name, faults)
        found += mapped(section, f"{origin}: {name}")
    return [*found, Layer(inside, origin)]


def _unwrapped(document: Mapping[Any, Any], faults: list[Fault]) -> tuple[Tree, Mapping[Any, Any]]:
    """Return the keys beside the settings, and the settings, of a file with or without the root."""
    names = [name for name in document if isinstance(name, str)]
    beside = [name for name in names if schema.find(AppSettings, name)]
    inside = [name for name in names if schema.find(Settings, name)]
    if inside and not any(schema.fold(name) == "dicomadapter" for name in beside):
        top = canonical(subset(document, beside), AppSettings, faults)
        return top, subset(document, document.keys() - beside)
    faults += [Fault((name,), "it belongs inside DicomAdapter") for name in inside]
    top = canonical(subset(document, document.keys() - inside), AppSettings, faults)
    return top, _object(top, "DicomAdapter", faults)


def _object(tree: Tree, name: str, faults: list[Fault]) -> Mapping[Any, Any]:
    value = tree.get(name)
    if isinstance(value, dict):
        return value
    if value is not None:
        faults.append(Fault((name,), "expected an object with keys"))
    return {}


_LIBRARY = "it configures a .NET library"


def _logging(section: Mapping[Any, Any], origin: str) -> Iterator[Layer | Unused]:
    """Map .NET's `Logging`: `LogLevel.Default` is the level, the rest names .NET classes."""
    for name, value in section.items():
        if schema.fold(str(name)) != "loglevel" or not isinstance(value, dict):
            yield Unused(f"Logging.{name}", origin, _LIBRARY)
            continue
        for source, level in value.items():
            if schema.fold(str(source)) == "default":
                yield Layer({"log": {"level": level}}, f"{origin}.LogLevel.Default")
            else:
                yield Unused(f"Logging.LogLevel.{source}", origin, _LIBRARY)


def _serilog(section: Mapping[Any, Any], origin: str) -> Iterator[Layer | Unused]:
    """Map Serilog's minimum level and its `File` sink."""
    for name, value in section.items():
        if schema.fold(str(name)) == "minimumlevel":
            yield from _minimum_level(value, origin)
        elif schema.fold(str(name)) == "writeto" and isinstance(value, list | dict):
            yield from _sinks(value, f"Serilog.{name}", origin)
        else:
            yield Unused(f"Serilog.{name}", origin, _LIBRARY)


def _minimum_level(value: Any, origin: str) -> Iterator[Layer | Unused]:
    if not isinstance(value, dict):
        yield Layer({"log": {"level": value}}, f"{origin}.MinimumLevel")
        return
    for name, level in value.items():
        if schema.fold(str(name)) == "default":
            yield Layer({"log": {"level": level}}, f"{origin}.MinimumLevel.Default")
        else:
            yield Unused(f"Serilog.MinimumLevel.{name}", origin, _LIBRARY)


_FILE_SINK = {
    "path": "file",
    "filesizelimitbytes": "maximumFileSize",
    "retainedfilecountlimit": "retainedFiles",
}
"""Arguments of Serilog's File sink, in lower case -> keys of `log`."""

_AS_PORT104_DOES = (("rollinginterval", "Day"), ("rollonfilesizelimit", True))
"""Arguments of the File sink that ask for what port104 does anyway."""


def _sinks(value: list[Any] | dict[Any, Any], path: str, origin: str) -> Iterator[Layer | Unused]:
    """Sinks, one after the other or each by a name of its own."""
    if isinstance(value, dict):
        places = {f"{path}.{name}": sink for name, sink in value.items()}
    else:
        places = {f"{path}[{index}]": sink for index, sink in enumerate(value)}
    for place, sink in places.items():
        yield from _sink(sink, place, origin)


def _sink(sink: Any, path: str, origin: str) -> Iterator[Layer | Unused]:
    keys = {schema.fold(str(key)): value for key, value in sink.items()} if isinstance(sink, dict) else {}
    name, arguments = str(keys.get("name", sink)), keys.get("args") or {}
    if name == "Async" and isinstance(arguments, dict) and isinstance(arguments.get("configure"), list):
        yield from _sinks(arguments["configure"], f"{path}.Args.configure", origin)  # port104 always is
    elif name not in {"Console", "File"} or not isinstance(arguments, dict):
        yield Unused(path, origin, f"port104 logs to standard error and to a file, not to {name}")
    else:
        for argument, value in arguments.items():
            yield from _argument(name, str(argument), value, path, origin)


def _argument(sink: str, argument: str, value: Any, path: str, origin: str) -> Iterator[Layer | Unused]:
    folded = schema.fold(argument)
    if sink == "File" and folded in _FILE_SINK and value is not None:
        yield Layer({"log": {_FILE_SINK[folded]: value}}, f"{origin}, File sink, {argument}")
    elif sink != "File" or (folded, value) not in _AS_PORT104_DOES:
        yield Unused(f"{path}.Args.{argument}", origin, "port104 has a form of its own for logs")
