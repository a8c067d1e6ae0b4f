"""A transport that shows requests of a store before they are sent, so that a test can act or fail at any of them."""

from collections.abc import Callable
from typing import Any

from elastic_transport import NodeConfig, Urllib3HttpNode

#: Called with the method, path and body of a request.
Before = Callable[[str, str, bytes], object]


class Watched:
    """A transport; `before` is called before each request and may raise."""

    def __init__(self) -> None:
        self.before: Before = lambda method, path, body: None

    def __call__(self, config: NodeConfig) -> Urllib3HttpNode:
        watched = self

        class Node(Urllib3HttpNode):
            def perform_request(
                self, method: str, target: str, body: bytes | None = None, *more: Any, **how: Any
            ) -> Any:
                watched.before(method, target, body or b"")
                return super().perform_request(method, target, body, *more, **how)

        return Node(config)

    def once(self, chosen: Callable[[str, str, bytes], bool], act: Callable[[], object]) -> None:
        """Act before the first of the chosen requests."""

        def before(method: str, path: str, body: bytes) -> None:
            if chosen(method, path, body):
                self.before = lambda method, path, body: None
                act()

        self.before = before


def is_ledger_row(method: str, path: str, body: bytes) -> bool:
    """Whether a request writes the ledger row of a commit: a partition's first document has no offset yet."""
    return method == "PUT" and "advertisex-ledger-g" in path and "/_doc/" in path and b'"next_offset":null' not in body


def is_bulk(method: str, path: str, body: bytes) -> bool:
    return "/_bulk" in path
