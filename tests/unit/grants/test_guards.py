"""Each guard of the verification is needed: with it taken out, a vector gives another answer."""

import ast
import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from openlockbox.grants import verify
from openlockbox.grants.encoding import parse_instant
from openlockbox.grants.revocations import open_revocations
from openlockbox.grants.trust import decode_trust

ROOT = Path(__file__).resolve().parents[3]
SOURCE = Path(verify.__file__).read_text()
VECTORS = [json.loads(path.read_text()) for path in sorted((ROOT / "tests" / "vectors" / "grants").glob("*.json"))]


def is_guard(node):
    """Tell the statements `_refuse_unless(...)`."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "_refuse_unless"
    )


GUARDS = [node.lineno for node in ast.walk(ast.parse(SOURCE)) if is_guard(node)]


class Without(ast.NodeTransformer):
    def __init__(self, line):
        self.line = line

    def visit_Expr(self, node):
        return ast.copy_location(ast.Pass(), node) if node.lineno == self.line else node


def module_without(line):
    module = ModuleType("verify_without")
    tree = ast.fix_missing_locations(Without(line).visit(ast.parse(SOURCE)))
    exec(compile(tree, "verify_without", "exec"), vars(module))  # noqa: S102  our own source, less one line
    return module


def answer(module, case):
    trust = decode_trust(case["trust"])
    age = case["lease_age_milliseconds"]
    try:
        module.verify_connection(
            case["token"],
            case["grant"],
            trust=trust,
            revocations=None if case["revocations"] is None else open_revocations(case["revocations"], trust),
            lease_age=None if age is None else timedelta(milliseconds=age),
            gateway_id=case["gateway_id"],
            front=case["front"],
            now=parse_instant(case["now"]),
            started_at=parse_instant(case["started_at"]),
            used=set(case["used"]),
        )
    except module.VerificationRefused as refused:
        return refused.code
    except Exception as error:  # noqa: BLE001  without a guard something may break further on: another answer too
        return type(error).__name__
    return "ok"


def test_there_are_guards_to_take_out():
    assert len(GUARDS) > 20


@pytest.mark.parametrize("line", GUARDS)
def test_without_this_guard_a_vector_gives_another_answer(line):
    module = module_without(line)
    assert any(answer(module, case) != case["expect"] for case in VECTORS), SOURCE.splitlines()[line - 1]
