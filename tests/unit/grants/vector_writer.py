"""Writes a case as the vector file that other implementations read; `vector_files` reads it back."""

import json
from datetime import timedelta

from openlockbox.grants.encoding import encode_instant
from openlockbox.grants.pin import encode_pin
from openlockbox.grants.revocations import seal_revocations
from openlockbox.grants.trust import encode_trust
from openlockbox.verification.connection import Evidence
from tests.unit.grants.material import REVOCATIONS, Case, hashes


def _evidence(evidence: Evidence) -> dict[str, object]:
    witnessed = evidence.witnessed
    return {
        "rosters": list(evidence.rosters),
        "consistency": hashes(evidence.consistency),
        "witnessed": None
        if witnessed is None
        else {
            "checkpoint": witnessed.checkpoint,
            "inclusion": hashes(witnessed.inclusion),
            "consistency": hashes(witnessed.consistency),
        },
    }


def vector(about: str, case: Case, expect: str) -> str:
    """Return the file's text."""
    revocations = None if case.revocations is None else seal_revocations(case.revocations, REVOCATIONS)
    document = {
        "about": about,
        "expect": expect,
        "trust": encode_trust(case.trust),
        "token": case.token_text,
        "grant": case.grant_text,
        "pin": None if case.pin is None else encode_pin(case.pin),
        "evidence": _evidence(case.evidence),
        "presence": None
        if case.presence is None
        else {"statement": case.presence.statement, "signature": case.presence.signature},
        "revocations": revocations,
        "lease_age_milliseconds": None if case.lease_age is None else case.lease_age // timedelta(milliseconds=1),
        "gateway_id": case.gateway_id,
        "front": case.front,
        "now": encode_instant(case.now),
        "started_at": encode_instant(case.started_at),
        "used": sorted(case.used),
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
