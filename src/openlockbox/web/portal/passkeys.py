"""One's passkeys on the profile page, and the step-up page. The scripts ask for options and send answers; nothing here verifies."""

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.enums import MediaType
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError, RecordUnavailable, StepUpRequired
from openlockbox.services import passkeys
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import Filled, Form, parse_id, status_of
from openlockbox.web.portal.page import OK, Signed, Visitor
from openlockbox.web.portal.speech import Speech

RESPONSE_FIELD: Final = "response"
CODE_LENGTH: Final = 16
PROFILE: Final = "/profile"
SECTION: Final = "/profile#passkeys"


def as_options(begin: Callable[[], str], speech: Speech, *, after: str = "/") -> Response[str]:
    """Answer a script: what to ask the authenticator for, or why not, and where the second factor can be shown again."""
    try:
        return _json(begin(), OK)
    except RecordUnavailable:
        raise
    except LockboxError as refusal:
        text = " ".join(speech.gettext(t) for t in (refusal.sentence % refusal.params, refusal.advice))
        said = {"detail": text} | ({"location": step_up_path(after)} if isinstance(refusal, StepUpRequired) else {})
        return _json(json.dumps(said), status_of(refusal))


def _json(text: str, status: int) -> Response[str]:
    return Response(text, status_code=status, media_type=MediaType.JSON, headers=security.headers())


def step_up_path(after: str) -> str:
    """Return the address of the step-up page that leads on to a page of the portal."""
    return f"/step-up?next={quote(after, safe='/')}"


@post("/profile/passkeys/begin", sync_to_thread=True, status_code=OK)
def begin_enrolment(visitor: Signed) -> Response[str]:
    """Give the script what a new passkey is to be made of."""
    return as_options(lambda: passkeys.begin_enrolment(visitor.lockbox, visitor.caller), visitor.speech, after=SECTION)


@post("/profile/passkeys", sync_to_thread=True)
def enrol(visitor: Signed, form: Filled) -> Response[str]:
    """Take the passkey that was made."""
    return _change(
        visitor,
        lambda: passkeys.finish_enrolment(
            visitor.lockbox, visitor.caller, name=form.typed("key_name"), response=form.typed(RESPONSE_FIELD)
        ),
        said="passkey_added",
    )


@post("/profile/passkeys/{key_id:str}/rename", sync_to_thread=True)
def rename(visitor: Signed, form: Filled, key_id: FromPath[str]) -> Response[str]:
    """Rename one's passkey."""
    return _change(
        visitor,
        lambda: passkeys.rename(visitor.lockbox, visitor.caller, key_id=parse_id(key_id), name=form.typed("key_name")),
        said="passkey_renamed",
    )


@post("/profile/passkeys/{key_id:str}/remove", sync_to_thread=True)
def remove(visitor: Signed, key_id: FromPath[str]) -> Response[str]:
    """Remove one's passkey."""
    return _change(
        visitor,
        lambda: passkeys.remove(visitor.lockbox, visitor.caller, key_id=parse_id(key_id)),
        said="passkey_removed",
    )


@post("/profile/signing-keys/{key_id:str}/remove", sync_to_thread=True)
def remove_automation_key(visitor: Signed, key_id: FromPath[str]) -> Response[str]:
    """Remove a key of one's automation."""
    return _change(
        visitor,
        lambda: passkeys.remove_automation_key(visitor.lockbox, visitor.caller, key_id=parse_id(key_id)),
        said="signing_key_removed",
    )


def _change(visitor: Visitor, act: Callable[[], object], *, said: str) -> Response[str]:
    try:
        act()
    except StepUpRequired:
        return visitor.go(step_up_path(SECTION))
    return visitor.go(SECTION, said=said)


@get("/step-up", sync_to_thread=True)
def step_up_page(visitor: Signed) -> Response[str]:
    """Ask for a second factor again."""
    return _step_up(visitor, Form(), OK)


def _step_up(visitor: Visitor, form: Form, status: int) -> Response[str]:
    return visitor.page(
        "step_up.html",
        status=status,
        form=form,
        has_passkeys=bool(passkeys.mine(visitor.lockbox, visitor.caller)),
        next=security.local_path(visitor.request.query_params.get("next", PROFILE), otherwise=PROFILE),
    )


@post("/step-up/begin", sync_to_thread=True, status_code=OK)
def begin_step_up(visitor: Signed) -> Response[str]:
    """Give the script what a passkey is to answer."""
    return as_options(lambda: passkeys.begin_step_up(visitor.lockbox, visitor.caller), visitor.speech)


@post("/step-up/passkey", sync_to_thread=True)
def step_up_by_passkey(visitor: Signed, form: Filled) -> Response[str]:
    """Take a passkey's answer."""
    return _stepped_up(
        visitor,
        form,
        lambda: passkeys.finish_step_up(
            visitor.lockbox, visitor.caller, secret=visitor.secret, response=form.typed(RESPONSE_FIELD)
        ),
    )


@post("/step-up", sync_to_thread=True)
def step_up_by_code(visitor: Signed, form: Filled) -> Response[str]:
    """Take a code."""
    return _stepped_up(
        visitor,
        form,
        lambda: passkeys.step_up_by_code(
            visitor.lockbox,
            visitor.caller,
            secret=visitor.secret,
            code=form.typed("code")[:CODE_LENGTH],
            source=visitor.request.client.host if visitor.request.client else "",
        ),
    )


def _stepped_up(visitor: Visitor, form: Form, act: Callable[[], None]) -> Response[str]:
    def done() -> str:
        act()
        return security.local_path(form.typed("next"), otherwise=PROFILE)

    return visitor.act(done, said="stepped_up", back=lambda refusal: _step_up(visitor, form, form.refuse(refusal)))
