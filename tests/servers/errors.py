"""The error of the local servers."""

from advertisex.errors import AdvertiseXError


class ServerError(AdvertiseXError):
    """A local server is not available or does not start."""
