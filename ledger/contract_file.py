"""A contract as a readable TOML text; examples/contracts shows one of each business model.

The file has the fields of `Contract`. Instead of `[[clauses]]` it may name a `preset` and state its terms
in `[parameters]`. Every refusal names the line and the field, counted from 0: `line 14, clauses[2].shares`.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from ledger.contract import Contract, Model
from ledger.presets import PRESETS, preset_clauses
from ledger.refusal import Refused
from ledger.toml_file import TomlFile


def parse(text: str | bytes) -> Contract:
    """The contract in a TOML text.

    Raises:
        Refused: `byte_order_mark`, `encoding`, `empty_file`, `file_size` or `toml` for a text that cannot
            be read; `field_unknown`, `field_missing`, `field_type` or `not_allowed` for a field; and
            everything that a `Contract` and its clauses refuse.
    """
    file = TomlFile(text)
    if "withdrawn" in file.root:
        wrong = "no file withdraws a contract: wattledger contract withdraw does"
        raise file.refusal("field_unknown", wrong, ("withdrawn",))
    if "preset" in file.root:
        return _from_preset(file)
    if "parameters" in file.root:
        raise file.refusal("field_missing", "parameters belong to a preset: state preset", ("preset",))
    return file.struct(Contract, file.root, ())


def _from_preset(file: TomlFile) -> Contract:
    root = file.root
    if "clauses" in root:
        raise file.refusal("preset_and_clauses", "state a preset or clauses, not both", ("clauses",))
    preset = file.choice(Model, root["preset"], ("preset",))
    if root.get("model", preset) != preset:
        raise file.refusal("preset_model", f"the preset is {preset}: leave model out", ("model",))
    if "parameters" not in root:
        raise file.refusal("field_missing", f"the terms of {preset} must be stated", ("parameters",))
    terms = file.struct(PRESETS[preset], root["parameters"], ("parameters",))
    try:
        clauses = preset_clauses(terms)
    except Refused as refused:
        raise file.refusal(refused.code, refused.reason, ("parameters",)) from None
    return file.struct(
        Contract,
        {key: value for key, value in root.items() if key not in ("preset", "parameters", "model")},
        (),
        given={"model": preset, "clauses": clauses},
        moved={"clauses": ("parameters",)},
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file, for editors that check TOML while it is written."""
    kinds = [Contract, *PRESETS.values()]
    (contract, *terms), definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    whole = definitions["Contract"]
    del whole["properties"]["withdrawn"]
    for preset, terms_schema in zip(get_args(Model), terms, strict=True):
        own = {name: field for name, field in whole["properties"].items() if name != "clauses"}
        own["model"] = {"const": preset}
        definitions[f"Contract_{preset}"] = whole | {
            "properties": own | {"preset": {"const": preset}, "parameters": terms_schema},
            "required": [name for name in whole["required"] if name not in ("clauses", "model")]
            + ["preset", "parameters"],
        }
    by_preset = [{"$ref": f"#/$defs/Contract_{preset}"} for preset in get_args(Model)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Contract",
        "anyOf": [contract, *by_preset],
        "$defs": definitions,
    }
