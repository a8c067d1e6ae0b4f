"""Whatever happens in the prefetching thread reaches the consumer."""

import ctypes
import sys
import threading
from collections.abc import Generator

import pytest
from confluent_kafka import KafkaError

from advertisex.processing.prefetch import prefetch


def test_items_come_in_order_and_an_error_after_those_before_it() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise LookupError("exhausted")

    made = prefetch(items())
    assert [next(made), next(made)] == [1, 2]
    with pytest.raises(LookupError, match="exhausted"):
        next(made)


def test_closing_it_closes_the_items_and_ends_the_thread() -> None:
    closed = threading.Event()

    def items() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    made = prefetch(items())
    next(made)
    made.close()
    assert closed.is_set()
    assert "prefetch" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python rejects it")
def test_a_raised_object_that_is_not_an_exception_ends_it_too() -> None:
    raise_it = ctypes.pythonapi.PyErr_Restore  # as Kafka's client does after a failed callback
    raise_it.argtypes = [ctypes.py_object, ctypes.py_object, ctypes.c_void_p]
    raise_it.restype = None

    def items() -> Generator[int, None, None]:
        yield 1
        error = KafkaError(KafkaError._STATE)
        for stolen in (KafkaError, error):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(stolen))
        raise_it(KafkaError, error, None)

    made = prefetch(items())
    assert next(made) == 1
    with pytest.raises(RuntimeError, match="prefetch aborted by KafkaError"):
        next(made)
