"""The API document is what the repository says it is."""

import json
from pathlib import Path

from openlockbox.web.api.openapi import openapi_text

GOLDEN = Path("docs/spec/openapi.json")


def test_the_document_is_the_golden_file():
    """Make it again with `python -m openlockbox.web.api.openapi > docs/spec/openapi.json`, and read the difference."""
    assert openapi_text() == GOLDEN.read_text(encoding="utf-8")


def test_only_the_api_is_in_the_document():
    assert all(path.startswith("/api/v1/") for path in json.loads(openapi_text())["paths"])


def test_the_document_is_served_to_everybody(world):
    response = world.call("GET", "/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.text == openapi_text()


def test_every_operation_says_how_it_refuses():
    for path, operations in json.loads(openapi_text())["paths"].items():
        for method, operation in operations.items():
            refusal = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert refusal == {"$ref": "#/components/schemas/Problem"}, (method, path)
            assert set(operation["responses"]) <= {"200", "201", "202", "204", "default"}, (method, path)
