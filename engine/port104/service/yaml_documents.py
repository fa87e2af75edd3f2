"""YAML, for documents.py."""

from typing import Any

import yaml

from port104.service.documents import Pairs, repeated


def parse_yaml(text: str) -> Any:
    """Parse YAML. Raises ValueError whose text begins with the line, where that is known."""
    try:
        document = _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"this is not YAML: {' '.join(str(error).split())}") from error
    return {} if document is None else document


class _Loader(yaml.SafeLoader):
    """Keeps note of duplicate keys, which YAML forbids and PyYAML does not see."""

    def construct_pairs_of(self, node: yaml.MappingNode) -> Pairs:
        # Before construct_mapping flattens the node: a key may override one that `<<` brings in.
        duplicates = repeated(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        made = Pairs(self.construct_mapping(node, deep=True))
        made.duplicates = duplicates
        return made


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_pairs_of)
