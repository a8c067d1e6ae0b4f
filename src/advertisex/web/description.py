"""The description of the API (OpenAPI), with who may what: derived from the same rules as the checks of requests."""

from typing import Any

from fastapi import FastAPI

from advertisex.web.problems import PROBLEM
from advertisex.web.roles import COLLECTOR, needed

_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token that `advertisex token` made."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "advertisex",
        "description": "Set by /login; over TLS, its name begins with __Host-.",
    },
}


class Described(FastAPI):
    """An application whose description says which role each operation needs, if tokens are configured."""

    def openapi(self) -> dict[str, Any]:
        """Return the description."""
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                operation["security"] = _security(method.upper(), path)
                operation["responses"].setdefault("default", PROBLEM)
        return document


def _security(method: str, path: str) -> list[dict[str, list[str]]]:
    role = needed(method, path)
    if role is None:
        return []
    schemes = ["token"] if path.startswith(COLLECTOR) else ["token", "session"]
    return [{scheme: [role]} for scheme in schemes]
