"""The documents that are generated stand as the code has them, and what people meet by name is documented."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from openlockbox.domain import events
from openlockbox.services import accounts

ROOT = Path(__file__).parents[2]


def load_tool(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_lifecycle_diagrams_are_those_of_the_tables() -> None:
    tool = load_tool("make_lifecycle")
    assert tool.TARGET.read_text(encoding="utf-8") == tool.render()


NOUNS = sorted({code.split(".")[0] for code in events.LABELS})


def recorded_codes() -> set[str]:
    """Find every activity code in the use cases; names of commands stand in decorators and are left out."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src/openlockbox/services").rglob("*.py"))
    text = re.sub(r"@(command|query|console)\(.*", "", text)
    return set(re.findall(rf'"((?:{"|".join(NOUNS)})\.[a-z_]+)"', text))


def test_every_recorded_action_has_a_label() -> None:
    codes = recorded_codes()
    assert len(codes) > 30, "the search found next to nothing, so it shows nothing"
    scopes = set(accounts.SCOPES) | {"profile.write"}
    assert codes - scopes - set(events.LABELS) == set()


def test_every_label_is_documented() -> None:
    text = (ROOT / "docs/spec/activity-codes.md").read_text(encoding="utf-8")
    assert [code for code in events.LABELS if f"`{code}`" not in text] == []
