"""Each guard of the verification is needed: with it taken out, a vector gives another answer."""

import ast
import inspect
from types import ModuleType

import pytest

from openlockbox.grants import approval, presence, verify
from openlockbox.verification import connection, logged
from tests.unit.grants.vector_files import VECTORS, answer

MODULES = {module.__name__: module for module in (verify, approval, presence, logged, connection)}
SOURCES = {name: inspect.getsource(module) for name, module in MODULES.items()}
# Not for connections: a session's start is checked by tests/unit/gateway/test_start.py.
NOT_FOR_CONNECTIONS = {"check_start_logged", "_check_words", "refuse_unless"}


def is_guard(node):
    """Tell the statements `refuse_unless(...)` and `raise VerificationRefused(...)`."""
    call = node.value if isinstance(node, ast.Expr) else node.exc if isinstance(node, ast.Raise) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"refuse_unless", "VerificationRefused"}
    )


def guards_of(source):
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    wanted = [node for node in functions if node.name not in NOT_FOR_CONNECTIONS]
    return sorted(node.lineno for function in wanted for node in ast.walk(function) if is_guard(node))


GUARDS = [(name, line) for name, source in SOURCES.items() for line in guards_of(source)]


class Without(ast.NodeTransformer):
    def __init__(self, line):
        self.line = line

    def visit(self, node):
        if is_guard(node) and node.lineno == self.line:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def module_without(name, line):
    module = ModuleType("without")
    tree = ast.fix_missing_locations(Without(line).visit(ast.parse(SOURCES[name])))
    exec(compile(tree, "without", "exec"), vars(module))  # noqa: S102  our own source, less one line
    return module


def answer_without(module, case):
    try:
        return answer(case, getattr(module, "verify_connection", None))
    except Exception as error:  # noqa: BLE001  without a guard something may break further on: another answer too
        return type(error).__name__


def test_there_are_guards_to_take_out():
    assert len(GUARDS) > 60


@pytest.mark.parametrize("name, line", GUARDS)
def test_without_this_guard_a_vector_gives_another_answer(name, line, monkeypatch):
    module = module_without(name, line)
    for function, body in vars(module).items():
        if inspect.isfunction(body) and body.__module__ == module.__name__ and hasattr(connection, function):
            monkeypatch.setattr(connection, function, body)
    differs = any(answer_without(module, case) != case["expect"] for case in VECTORS.values())
    assert differs, SOURCES[name].splitlines()[line - 1]
