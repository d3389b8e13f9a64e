"""The OpenAPI document of the REST API, made from the routes and nothing else. docs/spec/openapi.json is its golden copy.

Make the copy again with `python -m openlockbox.web.api.openapi > docs/spec/openapi.json`.
"""

import functools
import json
import sys
from typing import Any, Final

import msgspec
from litestar import Litestar, Response, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme

from openlockbox.web.api.routes import HEADERS, PREFIX, make_api
from openlockbox.web.errors import PROBLEM_TYPE, Problem

API_VERSION: Final = "1.0.0"
SECURITY: Final = "personal_token"


@functools.cache
def openapi_text() -> str:
    """Return the document. It is made from an app of the API's routes alone, so no page can slip in."""
    config = OpenAPIConfig(
        title="OpenLockbox",
        version=API_VERSION,
        description=(
            "The commands of the portal for programs. Every call carries a personal token, made in the portal under "
            "Profile. Refusals are problem details with stable codes (docs/spec/error-codes.md)."
        ),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={SECURITY: SecurityScheme(type="http", scheme="bearer", bearer_format="olbx_…")}
        ),
        security=[{SECURITY: []}],
    )
    document = Litestar([make_api()], openapi_config=config, logging_config=None).openapi_schema.to_schema()
    return json.dumps(_tidy(document), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _tidy(document: dict[str, Any]) -> dict[str, Any]:
    """Say how calls are refused, which the framework cannot know, instead of how it would refuse them itself.

    The security headers, which every answer carries, are left out.
    """
    (problem,), components = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    document["components"]["schemas"] |= components
    for operations in document["paths"].values():
        for operation in operations.values():
            taken = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
            for answer in taken.values():
                answer.pop("headers", None)
            refusal = {"description": "A refusal, with its stable code", "content": {PROBLEM_TYPE: {"schema": problem}}}
            operation["responses"] = taken | {"default": refusal}
    return document


@get(f"{PREFIX}/openapi.json", sync_to_thread=False, include_in_schema=False, response_headers=HEADERS)
def read_openapi() -> Response[str]:
    """Return the document; it is public, like the source."""
    return Response(openapi_text(), media_type="application/json")


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
