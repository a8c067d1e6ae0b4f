"""HTTP server of `/metrics` for Prometheus."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from advertisex.errors import ConfigurationError


@contextmanager
def serving(registry: CollectorRegistry, host: str, port: int) -> Iterator[str]:
    """Serve the metrics of a registry from a background thread until the block exits.

    Args:
        registry: the registry.
        host: address to listen on.
        port: port to listen on; 0 picks a free one.

    Yields:
        The URL of the metrics.

    Raises:
        ConfigurationError: the address is not available, or the port is in use.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ConfigurationError(
            f"cannot serve metrics: {error.strerror or error}",
            where=f"{host}:{port}",
            hint="choose another port with --metrics-port" if taken else "check the setting metrics.host",
        ) from error
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
