"""Every setting of port104, with its meaning, unit, range and default: a room for each section.

The keys and their nesting are Clara DICOM Adapter's (`appsettings.json`), so that its files load
unchanged; what port104 adds stands in the same tree. Field names are snake_case here and camelCase
in files. The constraints live in the types, and configuration.py reports what breaks them.

`msgspec.Meta(extra=...)` carries what msgspec does not know:
`check` a function of the value (values.py), `valid` its range in words, `aliases` other spellings,
`synonyms` other names of a value, `named` a reader of an object whose keys are not ours (decoding.py),
`secret` that the value is shown nowhere, `unused` why port104 accepts the key and does nothing with it.
`extra_json_schema` says the same to readers of the API's description.
"""
