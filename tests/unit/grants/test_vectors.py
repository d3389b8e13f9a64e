"""Every verification step, by the vector files that other implementations use too."""

import inspect
import re
import subprocess
import sys

import pytest

from openlockbox.grants import approval, presence, verify
from openlockbox.verification import connection, logged
from tests.unit.grants.vector_files import ROOT, VECTORS, answer

SOURCE = "".join(inspect.getsource(module) for module in (verify, approval, presence, logged, connection))
START_ONLY = {"start_not_logged"}  # a session's start has tests of its own
SPECIFICATION = ROOT / "docs" / "spec" / "grant-format.md"


@pytest.mark.parametrize("name", VECTORS)
def test_the_verifier_gives_the_expected_answer(name):
    assert answer(VECTORS[name]) == VECTORS[name]["expect"]


def codes() -> set[str]:
    """Return the codes that the source names; refusals name them as the only words in quotes with an underscore and no blank."""
    refusing = re.findall(r'(?:refuse_unless\(.*|VerificationRefused\(|code = |else )"([a-z]+_[a-z_]+)"', SOURCE)
    return set(refusing) | set(re.findall(r'"(approval_not_logged|start_not_logged|log_[a-z_]+)"', SOURCE))


def test_every_code_has_a_vector():
    assert codes() - START_ONLY == {case["expect"] for case in VECTORS.values()} - {"ok"}


def test_every_code_is_in_the_specification():
    text = SPECIFICATION.read_text()
    assert {code for code in codes() if f"`{code}`" not in text} == set()


def test_every_numbered_step_is_in_the_specification():
    text = SPECIFICATION.read_text()
    steps = set(re.findall(r"# (\d+\.\d|S\d)  ", SOURCE)) | {str(step) for step in range(1, 30)}
    assert {step for step in steps if f"| {step} |" not in text} == set()


def test_the_files_are_as_the_generator_writes_them():
    tool = ROOT / "tools" / "make_grant_vectors.py"
    result = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
