"""Every verification step, by the vector files that other implementations use too."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from openlockbox.grants import verify
from openlockbox.grants.encoding import parse_instant
from openlockbox.grants.revocations import open_revocations
from openlockbox.grants.trust import decode_trust
from openlockbox.grants.verify import VerificationRefused, verify_connection

ROOT = Path(__file__).resolve().parents[3]
VECTORS = sorted((ROOT / "tests" / "vectors" / "grants").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_verifier_gives_the_expected_answer(path: Path):
    case = json.loads(path.read_text())
    trust = decode_trust(case["trust"])
    age = case["lease_age_milliseconds"]
    try:
        verify_connection(
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
    except VerificationRefused as refused:
        answer = refused.code
    else:
        answer = "ok"
    assert answer == case["expect"]


def codes() -> set[str]:
    return set(re.findall(r'"((?:token|grant|lease)_[a-z_]+)"', Path(verify.__file__).read_text()))


def test_every_code_has_a_vector():
    assert codes() == {json.loads(path.read_text())["expect"] for path in VECTORS} - {"ok"}


def test_every_code_is_in_the_specification():
    text = (ROOT / "docs" / "spec" / "grant-format.md").read_text()
    assert {code for code in codes() if f"`{code}`" not in text} == set()


def test_every_numbered_step_is_in_the_specification():
    text = (ROOT / "docs" / "spec" / "grant-format.md").read_text()
    steps = set(re.findall(r"# (12\.\d)  ", Path(verify.__file__).read_text())) | {str(step) for step in range(1, 17)}
    assert {step for step in steps if f"| {step} |" not in text} == set()


def test_the_files_are_as_the_generator_writes_them():
    tool = ROOT / "tools" / "make_grant_vectors.py"
    result = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
