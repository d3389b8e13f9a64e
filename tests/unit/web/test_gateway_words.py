"""Every refusal of a gateway has a plain sentence for the engineer."""

from openlockbox.web.portal.gateway_words import REFUSALS
from tests.unit.grants.test_vectors import codes

# What a gateway refuses besides the steps of docs/spec/grant-format.md.
OTHERS = {
    "evidence_unavailable",
    "gateway_stopping",
    "grant_unavailable",
    "password_wrong",
    "pin_unusable",
    "presence_malformed",
    "recording_unavailable",
    "session_limit",
    "session_not_recorded",
}


def test_every_code_has_its_sentence_and_no_other():
    assert set(REFUSALS) == codes() | OTHERS
