"""Write the chart's README: its values, with what values.yaml says of them, below what a person wrote.

A comment that begins with `# --` describes the key below it, with everything in that key. Run by
`make chart-readme`; tests/chart holds the result against the file.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "port104"
README = CHART / "README.md"
_MARK = "<!-- values: made by charts/readme.py from values.yaml; make chart-readme -->\n"
_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]+):")


def described(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Find each key that has a description: its path, and what is said of it."""
    path: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            said = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("# ") and said:
            said.append(stripped.removeprefix("# "))
        elif key := _KEY.match(line):
            path = [*path[: len(key["indent"]) // 2], key["key"]]
            if said:
                yield tuple(path), " ".join(said)
            said = []


def undescribed(values: Any, known: set[tuple[str, ...]], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Find what has no description, neither itself nor by a key above it."""
    if path in known:
        return
    if not isinstance(values, dict) or not values:
        yield ".".join(path)
        return
    for key, value in values.items():
        yield from undescribed(value, known, (*path, key))


def _default(values: Any, path: tuple[str, ...]) -> str:
    for key in path:
        values = values[key]
    return f"`{json.dumps(values)}`"


def readme(text: str, above: str) -> str:
    """Make the README of the text of values.yaml and of what stands above the table."""
    values = yaml.safe_load(text)
    rows = [f"| `{'.'.join(path)}` | {_default(values, path)} | {said} |" for path, said in described(text)]
    return "\n".join([above + _MARK, "| value | default | meaning |", "|---|---|---|", *rows, ""])


def made() -> str:
    """Make the README anew, of the files of the chart."""
    above = README.read_text().partition(_MARK)[0]
    return readme((CHART / "values.yaml").read_text(), above)


if __name__ == "__main__":
    README.write_text(made())
