"""`/metrics` over HTTP, for Prometheus."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from advertisex.errors import ConfigurationError


@contextmanager
def serving(registry: CollectorRegistry, host: str, port: int) -> Iterator[str]:
    """Serve the metrics of a registry from a thread of its own, as long as the block runs.

    Args:
        registry: what is served.
        host: the address to listen on.
        port: 0 for a free one.

    Yields:
        The URL of the metrics.

    Raises:
        ConfigurationError: the address is none of ours, or the port is taken.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ConfigurationError(
            f"cannot serve metrics: {error.strerror or error}",
            where=f"{host}:{port}",
            hint="name another port with --metrics-port" if taken else "check the setting metrics.host",
        ) from error
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
