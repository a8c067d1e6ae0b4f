"""The encoders of whole columns, compared with the libraries that encode one value at a time."""

import io
import json
from datetime import UTC, datetime, timedelta

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.simulator import FaultRates, Simulation, SimulationSettings
from advertisex.simulator.avro_bids import BidMessages, BidsAvro, avro_doubles, avro_time, concat_columns, zero_padded
from advertisex.simulator.formats import Event, Format
from advertisex.simulator.json_messages import ClicksJson, ImpressionsJson, time_text
from advertisex.simulator.market import draw_market
from advertisex.simulator.rows import ROW, strictly_after

MARKET = draw_market(seed=1, users=50)
ENCODERS: list[Format] = [ImpressionsJson(MARKET), ClicksJson(MARKET), BidsAvro(MARKET), BidMessages(MARKET)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.lists(
    st.datetimes(datetime(2000, 1, 1), datetime(2000, 3, 31)).map(
        lambda time: (time.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    ),
    min_size=1,
)


def avro(schema: object, value: object) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)  # type: ignore[arg-type]
    return out.getvalue()


@given(times)
def test_times_as_text(micros: list[int]) -> None:
    texts = [time_text(time) for time in micros]
    assert [datetime.fromisoformat(text) for text in texts] == [EPOCH + timedelta(microseconds=m) for m in micros]
    assert {len(text) for text in texts} == {27}


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
@given(micros=times)
def test_columns_and_single_events_are_encoded_alike(encoder: Format, micros: list[int]) -> None:
    rows = np.zeros(len(micros), ROW)
    rows["time"], rows["serial"], rows["user"] = micros, np.arange(len(micros)), np.arange(len(micros)) % MARKET.users
    rows["website"] = np.arange(len(micros)) % len(MARKET.websites)
    assert encoder.good(rows) == [encoder.encode(encoder.fields(Event(*row))) for row in rows.tolist()]


@given(st.lists(st.integers(2**48, 2**55 - 1), min_size=1))
def test_times_as_avro_longs(micros: list[int]) -> None:
    assert [row.tobytes() for row in avro_time(np.array(micros))] == [avro("long", m) for m in micros]


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_avro_doubles(values: list[float]) -> None:
    assert [row.tobytes() for row in avro_doubles(np.array(values))] == [avro("double", v) for v in values]


@given(st.lists(st.integers(0, 10**6 - 1), min_size=1))
def test_zero_padded_numbers(values: list[int]) -> None:
    assert [row.tobytes() for row in zero_padded(np.array(values), 6)] == [b"%06d" % v for v in values]
    columns = [b"<", zero_padded(np.array(values), 8), b">"]
    assert concat_columns(columns, len(values)) == [b"<%08d>" % v for v in values]


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
def test_no_rows_give_no_messages(encoder: Format) -> None:
    assert encoder.good(np.empty(0, ROW)) == []


@given(st.lists(st.integers(0, 50)), st.integers(-5, 60))
def test_strictly_after_separates_equal_times_and_keeps_distinct_ones(values: list[int], floor: int) -> None:
    before = sorted(values)
    after = strictly_after(np.array(before, np.int64), floor).tolist()
    assert all(late > early for early, late in zip([floor, *after], after, strict=False))
    assert all(new >= old for old, new in zip(before, after, strict=True))
    if len(set(before)) == len(before) and (not before or before[0] > floor):
        assert after == before


def test_bids_equal_the_bytes_that_fastavro_writes() -> None:
    simulation = Simulation(SimulationSettings(events=3_000, faults=FaultRates.none()), "files")
    schema = fastavro.parse_schema(AVRO_SCHEMA)
    bodies = [body for chunk in simulation.chunks() for body in chunk.messages["bids"]]
    assert len(bodies) > 1_500
    for body in bodies:
        stream = io.BytesIO(body)
        record = fastavro.schemaless_reader(stream, schema, None)
        assert not stream.read()
        assert avro(schema, record) == body


def test_impressions_and_clicks_equal_the_bytes_that_json_writes() -> None:
    simulation = Simulation(SimulationSettings(events=3_000, faults=FaultRates.none()), "log")
    for chunk in simulation.chunks():
        for message in (*chunk.messages["impressions"], *chunk.messages["clicks"]):
            read = json.loads(message)
            assert json.dumps(read, ensure_ascii=False, separators=(",", ":")).encode() == message
