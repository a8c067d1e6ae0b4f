"""An unexpected exception costs the input that was being read, not the others."""

from collections.abc import Iterator
from contextlib import contextmanager

from advertisex.errors import AdvertiseXError, SourceError


@contextmanager
def at_the_cost_of(where: str) -> Iterator[None]:
    """Raise an unexpected exception of the block as the failure of an input.

    Raises:
        SourceError: what the block does raised an unexpected exception.
    """
    try:
        yield
    except AdvertiseXError:
        raise
    except Exception as error:
        raise SourceError(
            f"could not read the input: internal error ({type(error).__name__})",
            where=where,
            hint="please report it, with the traceback that --debug shows",
        ) from error
