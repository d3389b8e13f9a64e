"""Every refusal has a status, a line in the documentation and the form of RFC 9457."""

from pathlib import Path

import httpx
import pytest
from litestar import Litestar, get
from litestar.exceptions import HTTPException

from openlockbox.domain.errors import AlreadyDecided, ForeignResource, UnknownResource
from openlockbox.web.errors import EDGE_REFUSALS, PROBLEM_HANDLERS, STATUS_OF, all_refusals, error_codes_text

CODES = Path("docs/spec/error-codes.md")


def test_every_refusal_has_a_status_and_nothing_else_has():
    assert {kind.code for kind in all_refusals()} == set(STATUS_OF)


def test_no_two_refusals_share_a_code():
    codes = [kind.code for kind in all_refusals()] + [edge.code for edge in EDGE_REFUSALS]
    assert len(codes) == len(set(codes))


def test_the_documentation_lists_every_code():
    """Make it again with `python -m openlockbox.web.errors > docs/spec/error-codes.md`."""
    assert CODES.read_text(encoding="utf-8") == error_codes_text()


def test_every_refusal_has_a_sentence_and_advice():
    assert all(kind.sentence and kind.advice and kind.__doc__ for kind in all_refusals())


async def _answer(error, language=""):
    @get("/", sync_to_thread=False)
    def fail() -> None:
        raise error

    app = Litestar([fail], exception_handlers=PROBLEM_HANDLERS, openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.get("/", headers={"Accept-Language": language})


async def test_a_refusal_is_a_problem_with_its_parameters():
    response = await _answer(AlreadyDecided(state="approved"))
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == 409
    assert response.json() == {
        "type": "urn:openlockbox:error:already_decided",
        "title": "Conflict",
        "status": 409,
        "detail": "This request is already in the state approved. Your decision was not recorded.",
        "code": "already_decided",
        "advice": AlreadyDecided.advice,
        "params": {"state": "approved"},
    }


async def test_a_resource_of_another_organization_looks_like_one_that_does_not_exist():
    assert (await _answer(ForeignResource())).content == (await _answer(UnknownResource())).content


async def test_a_fault_of_ours_says_nothing_about_itself():
    response = await _answer(RuntimeError("the password of the database is hunter2"))
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in response.text


@pytest.mark.parametrize("status", [400, 405, 413, 418])
async def test_what_the_framework_refuses_is_a_problem_too(status):
    response = await _answer(HTTPException("detail", status_code=status))
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] in {"invalid_input", "method_not_allowed", "body_too_large", "internal_error"}
