"""Every bound is a `Limit`, so that docs/limits.md lists it."""

import ast
import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import advertisex
from advertisex.limits import Limit

_SOURCE = Path(advertisex.__file__).parent
_NAME = re.compile(r"_?([A-Z]+_)*(MAX|MOST|LIMIT|LARGEST|LONGEST|DEEPEST|DEPTH|BYTES)(_[A-Z]+)*")
#: Where a file may have one: parsing all of them takes seconds.
_AT_START = re.compile(rf"^[\w, ]*\b{_NAME.pattern}\b[\w, ]*[:=]", re.MULTILINE)
#: Constants with such a name that bound no input and no answer, by what they are.
_OTHERS = {
    "sizes of parts, which bound memory whatever the input is": """
        stores.elasticsearch.bulk_lines.BODY_BYTES stores.elasticsearch.search.LARGEST_PAGE
        stores.elasticsearch.search._ANSWER_BYTES logs.sqlite.rows._ROW_BYTES logs.sqlite.schema._JOURNAL_BYTES
        logs.sqlite.retention._STEP_BYTES rejects.selection._BYTES ingestion.objects.reading.BLOCK_BYTES
        ingestion.publish._BUFFER_BYTES ingestion.parquet.reader._PART_BYTES ingestion.csv.table_rows.PIECE_BYTES
        ingestion.csv.line_blocks.BLOCK_BYTES ingestion.avro.reader._PIECE_BYTES web.pages._PART_BYTES
        processing.decode._TOGETHER_BYTES
        analysis.attribution.journeys._MAX_PAIRS stores.duckdb.rejects.PART_BYTES stores.reject_pages.PAGE_BYTES
        stores.reject_pages.ROW_BYTES stores.duckdb.rejects._NARROW_BYTES stores.duckdb.frames._READ_BYTES
    """,
    "how much is examined to detect something": """
        ingestion.likely_encoding._GUESSED_BYTES ingestion.json.envelope._SAMPLE_BYTES
        ingestion.json.reader._ENVELOPE_BYTES
        ingestion.json.streamed_envelope._SAMPLE_BYTES ingestion.json.value_end._NESTED_BYTES
        ingestion.json.sequence._MOST_STEPS ingestion.formats._JSON_BYTES ingestion.column_fields._LONGEST
        ingestion.column_fields._MOST_COLUMNS
        ingestion.column_fields._DEPTH ingestion.event_types._LONGEST
        ingestion.api.paging.envelope._LONGEST_NAME ingestion.api.paging.fields._MOST_MEMBERS
        ingestion.api.paging.fields._LARGEST_TEXT ingestion.api.error_document._DECODED_BYTES
        ingestion.excel.check._REFERENCE_BYTES ingestion.zip_archive._END_BYTES
    """,
    "what is shown on a terminal, in a message or in a notebook": """
        monitoring.notices._MAX_NAME cli.catalogue_change._MOST_NAMES cli.rejects.listing._LONGEST_DETAIL
        cli.rejects.listing._MOST_HOURS cli.rejects.listing._MOST_RECORDS reporting.notebook.MOST_ROWS
        stores.elasticsearch.failures._LONGEST_CAUSE rejects.pretty.BYTES_PER_LINE reporting.figures._MOST_BARS
        reporting.figures._MOST_NAMES stores.elasticsearch.failures._LONGEST_PROBLEM
        web.uploads._LONGEST_NAME
    """,
    "durations": """
        monitoring.notifications.MAX_NOTICE_AGE monitoring.anomalies.MAX_POOLING
        processing.store_retention._LONGEST_PERIOD processing.waiting._LONGEST_PAUSE
        settings.durations._LONGEST_WAIT ingestion.options.api.LONGEST_SECONDS ingestion.backoff.LONGEST_WAIT
        ingestion.api.connection.LONGEST_WAIT ingestion.api.connection.LONGEST_RETRY_AFTER analysis.arguments.LONGEST
        simulator.traffic._MAX_DELAY simulator.arrivals._MAX_DELAY
    """,
    "parts of a format, or of an algorithm": """
        processing.missing._LONGEST processing.pseudonymise._BYTES processing.pseudonym_key._BYTES
        processing.suppression._BYTES processing.suppression._LONGEST_AVRO_WORD privacy.record._KEY_BYTES
        codecs.json_encode._LONGEST_NUMBER codecs.json_text._MEMBER_BYTES stores.held.place._LONGEST_PATH
        logs.kafka.producer._FRAME_BYTES logs.kafka.producer._BATCH_BYTES
        ingestion.api.seen._BYTES ingestion.avro.blocks._SYNC_BYTES
        ingestion.avro.blocks._VARINT_BYTES logs.kafka.client._MAX_PORT simulator.formats.OVERSIZED_BYTES
        simulator.settings._MOST_USERS monitoring.state_store._MAX_KEY_BYTES
        codecs.avro_framing.CONFLUENT_HEADER_BYTES files.making._LONGEST stores.elasticsearch.periods._LONGEST_NAMES
        analysis.groups._MOST_INTERVALS
    """,
    "checks of settings, which say so": """
        settings.model._MOST_DAYS settings.model._LARGEST_SIZE ingestion.options.paginate._LARGEST
    """,
    "an invariant of sums": "analysis.money._LIMIT analysis.pacing.rows._MOST_UNITS",
}


def constants() -> Iterator[tuple[str, bool]]:
    """Each constant of a module that is named like a bound, and whether it is a `Limit`."""
    for path in sorted(_SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(_SOURCE).with_suffix("").parts)
        text = path.read_text("utf-8")
        for node in ast.parse(text).body if _AT_START.search(text) else ():
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            is_limit = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Limit"
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and _NAME.fullmatch(name.id):
                        yield f"{module}.{name.id}", is_limit


def test_every_bound_is_listed() -> None:
    found = dict(constants())
    others = {name for names in _OTHERS.values() for name in names.split()}
    bounds = {name for name, is_limit in found.items() if is_limit}
    assert found.keys() - bounds - others == set(), "make it a Limit, or say here what it is"
    assert others - (found.keys() - bounds) == set(), "listed here, but gone, or a Limit"


def test_a_limit_is_a_number_that_says_what_it_bounds() -> None:
    limit = Limit(3, "rows", of="a table", beyond="counted")
    assert (limit, limit + 1, f"{limit:,}") == (3, 4, "3")
    assert (limit.unit, limit.of, limit.beyond) == ("rows", "a table", "counted")


def test_a_limit_can_be_copied_and_pickled() -> None:
    limit = Limit(3, "rows", of="a table", beyond="counted")
    for one in (copy.copy(limit), copy.deepcopy(limit), pickle.loads(pickle.dumps(limit))):
        assert (one, one.unit, one.of, one.beyond) == (3, "rows", "a table", "counted")
