from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import SourceError
from advertisex.ingestion.api.paging.pager import Pager
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.options.paginate import Paginate
from tests.budget import examples
from tests.ingestion.api_pages import FIRST, RECORDS, URL, after, answer, cursor, parameters

few = settings(max_examples=examples(60))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('<https://api.example.com/v1/clicks?page=2>; rel="next"', "https://api.example.com/v1/clicks?page=2"),
        ("<?page=2>; rel=next", "https://api.example.com/v1/clicks?page=2"),
        ("</v2/x>;rel=NEXT", "https://api.example.com/v2/x"),
        ("<more?a=1,2;3>; rel=next", "https://api.example.com/v1/more?a=1,2;3"),
        ('<a>; rel="prev", <b>; title="x, <y>; rel=next"; REL="last next"', "https://api.example.com/v1/b"),
        (r'<a>; title="say \"hi\", <c>; rel=next"; rel="next"', "https://api.example.com/v1/a"),
        ('<a>; rel="first", <b>; rel="next"; rel="prev"', "https://api.example.com/v1/b"),
        ("<a>; rel=next, <a>; rel=next", "https://api.example.com/v1/a"),
        ("<https://API.example.com:443/x%2Fy?q=a+b&q=%7e&e=>; rel=next", "https://API.example.com:443/x%2Fy?q=a+b&q=%7e&e="),
        ("<b#part>; rel=next", "https://api.example.com/v1/b"),
        ("<>; rel=prev", None),
        ("<a>; rel=prev; rel=next", None),
        ("<a>; rel=nextish", None),
        ('<a>; rel=next; anchor="/other"', None),
        ("a; rel=next", None),
        ('<a; rel="next"', None),
        ('<a>; rel="next', None),
        ("", None),
    ],
)  # fmt: skip
def test_links_of_the_header(header: str, expected: str | None) -> None:
    following = after(b"a,b\n1,2\n", {"Link": header})
    assert (following and following.url) == expected


def test_different_links_of_the_header_are_an_error() -> None:
    with pytest.raises(SourceError, match="several different links"):
        after(headers={"Link": "<a>; rel=next, <b>; rel=next"})


HOST = "https://api.example.com"
SECOND = f"{HOST}/x?p=2"


@pytest.mark.parametrize(
    ("envelope", "path", "expected"),
    [
        ({"next": f"{HOST}/x?p=2"}, "next", SECOND),
        ({"next": "?p=2"}, "next", f"{HOST}/v1/clicks?p=2"),
        ({"next": "/v1/clicks/page/2"}, "next", f"{HOST}/v1/clicks/page/2"),
        ({"next_page": "/x?p=2"}, "next_page", SECOND),
        ({"links": {"next": "/x?p=2"}}, "links.next", SECOND),
        ({"links": {"next": {"href": "/x?p=2"}}}, "links.next.href", SECOND),
        ({"_links": {"next": {"href": "/x?p=2"}}}, "_links.next.href", SECOND),
        ({"links": [{"rel": "self", "href": "/x"}, {"rel": "next", "href": "/x?p=2"}]}, "links.next.href", SECOND),
        ({"paging": {"cursors": {"after": "c"}, "next": SECOND}}, "paging.next", SECOND),
        ({"paging": {"next": {"after": "2", "link": "/x?p=2"}}}, "paging.next.link", SECOND),
        ({"pagination": {"next_url": "/x?p=2"}}, "pagination.next_url", SECOND),
        ({"@nextpageuri": "/x?p=2", "@numpages": "5"}, "@nextpageuri", SECOND),
        ({"done": False, "nextRecordsUrl": "/x?p=2"}, "nextRecordsUrl", SECOND),
        ({"hydra:view": {"hydra:next": "/x?p=2"}}, "hydra:view.hydra:next", SECOND),
        ({"view": {"next": "/x?p=2"}}, "view.next", SECOND),
        ({"pages": {"next": SECOND}}, "pages.next", SECOND),
        ({"nextResultsUri": SECOND}, "nextResultsUri", SECOND),
        ({"next": SECOND, "included": {"users": RECORDS, "has_more": False}}, "next", SECOND),
        ({"next": SECOND, "included": {"users": RECORDS, "end_of_stream": True}}, "next", SECOND),
        ({"next": SECOND, "extra": {"items": RECORDS, "meta": {"hasMore": False}}}, "next", SECOND),
        ({"@odata.nextLink": f"{HOST}/x?$skiptoken=1"}, "@odata.nextLink", f"{HOST}/x?$skiptoken=1"),
    ],
)
def test_the_usual_names_of_links_are_recognised(envelope: Any, path: str, expected: str) -> None:
    pager = Pager(None, FIRST)
    assert pager.following(FIRST, answer({"data": RECORDS, **envelope}), 2) == Request(expected)
    assert pager.detected == f"links in {path}"
    assert pager.paginate == Paginate("json-link", next_path=path)
    chosen = Pager(pager.paginate, FIRST)
    assert chosen.following(FIRST, answer({"data": RECORDS, **envelope}), 2) == Request(expected)
    assert chosen.detected == ""


@pytest.mark.parametrize(
    ("envelope", "path", "param", "value"),
    [
        ({"next_cursor": "a+/="}, "next_cursor", "cursor", "a+/="),
        ({"next_cursor": 17, "total": 99}, "next_cursor", "cursor", "17"),
        ({"next_cursor": 12345678901234567890123}, "next_cursor", "cursor", "12345678901234567890123"),
        ({"cursor": {"next": "c"}}, "cursor.next", "cursor", "c"),
        ({"meta": {"next_cursor": "c"}}, "meta.next_cursor", "cursor", "c"),
        ({"response_metadata": {"next_cursor": "c="}}, "response_metadata.next_cursor", "cursor", "c="),
        ({"next_page_token": "t"}, "next_page_token", "page_token", "t"),
        ({"nextPageToken": "/9j?x"}, "nextPageToken", "pageToken", "/9j?x"),
        ({"continuation_token": "t"}, "continuation_token", "continuation_token", "t"),
        ({"scroll_id": "t"}, "scroll_id", "scroll_id", "t"),
        ({"next_page": 2}, "next_page", "page", "2"),
        ({"pagination": {"nextPage": "2"}}, "pagination.nextPage", "page", "2"),
        ({"next": None, "next_cursor": "c", "has_more": True}, "next_cursor", "cursor", "c"),
    ],
)
def test_the_usual_names_of_cursors_are_recognised(envelope: Any, path: str, param: str, value: str) -> None:
    pager = Pager(None, FIRST)
    following = pager.following(FIRST, answer({"data": RECORDS, **envelope}), 2)
    assert parameters(following) == {"since": ["2026-01-01"], param: [value]}
    assert pager.detected == f"cursor {path}, sent as {param}"
    chosen = Pager(pager.paginate, FIRST)
    assert chosen.following(FIRST, answer({"data": RECORDS, **envelope}), 2) == following


@pytest.mark.parametrize("wrapped", ["data", "response", "d"])
def test_the_paging_may_be_inside_what_is_around_the_records(wrapped: str) -> None:
    following = after({"status": "ok", wrapped: {"items": RECORDS, "paging": {"next_cursor": "c"}}})
    assert parameters(following)["cursor"] == ["c"]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"next": "https://api.example.com/x?page=2", "has_more": true}]',
        b'{"next_cursor":"a","user_id":1}\n{"next_cursor":"b","user_id":2}\n',
        b'{"user_id":"u","next_page":"https://shop.example/x","total":99,"has_more":true}',
        b'{"data":[{"next_cursor":"c","has_more":true,"meta":{"total":99}}]}',
        b"next_cursor,total\na,99\n",
        b"", b"{", b"{}", b"[]", b"null", b"\x00\xff", b'{"data":[]}', b"Obj\x01",
        b'{"data":[{}],"summary":{"total":99,"next":"/x?p=2"}}',
    ],
)  # fmt: skip
def test_fields_of_records_and_of_other_objects_are_no_paging(body: bytes) -> None:
    pager = Pager(None, FIRST)
    assert pager.following(FIRST, answer(body), 2) is None
    assert (pager.detected, pager.warning) == ("", "")


@pytest.mark.parametrize(
    ("encoded", "charset"),
    [("utf-16", None), ("utf-8-sig", None), ("utf-16-le", None), ("latin-1", "iso-8859-1"), ("utf-8", "UTF-8")],
)
def test_bodies_in_other_encodings(encoded: str, charset: str | None) -> None:
    body = '{"data":[{"name":"Köln"}],"next_cursor":"c"}'.encode(encoded)
    pager = Pager(None, FIRST)
    following = pager.following(FIRST, replace(answer(body), charset=charset), 1)
    assert parameters(following)["cursor"] == ["c"]


def test_compressed_bodies() -> None:
    import gzip

    assert parameters(after(gzip.compress(b'{"data":[{"a":1}],"next_cursor":"c"}')))["cursor"] == ["c"]
    assert after(b"\x1f\x8b broken") is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"a":NaN},{"b":"x]\\"y"},{c}],"next_cursor":"c"}',
        b'{"next_cursor":"c","data":[{"a":[1,2}]}]}',
        b'{"next_cursor":"c","data":[{"a":"\xff"}]}',
        b'{"data":[' + b"[" * 5000 + b"]" * 5000 + b',{}],"next_cursor":"c"}',
    ],
)
def test_a_damaged_record_does_not_end_the_paging(body: bytes) -> None:
    assert parameters(after(body))["cursor"] == ["c"]


@pytest.mark.parametrize(
    ("envelope", "sign", "setting"),
    [
        ({"has_more": True}, "has_more is true", '--paginate page, with the number of the first page'),
        ({"hasMore": True, "cursor": "c"}, "hasMore is true", 'cursor_path = "cursor"'),
        ({"data": {"x": {"nodes": RECORDS, "pageInfo": {"hasNextPage": True, "endCursor": "c"}}}},
         "data.x.pageInfo.hasNextPage is true", 'cursor_path = "data.x.pageInfo.endCursor"'),
        ({"meta": {"is_last": False}}, "meta.is_last is false", "page"),
        ({"total": 30000}, "total is 30000, records so far: 2", 'type = "page"'),
        ({"meta": {"total_count": 3}}, "meta.total_count is 3", "page"),
        ({"count": 3}, "count is 3", "page"),
        ({"hits": {"total": {"value": 10, "relation": "eq"}, "hits": RECORDS}}, "hits.total is 10", "page"),
        ({"page": 1, "total_pages": 2}, "total_pages is 2", "page"),
        ({"current_page": 1, "last_page": 7}, "last_page is 7", "page"),
        ({"next": "bz1hYmM"}, "next is not empty", 'cursor_path = "next", param = "page"'),
        ({"next": 2}, "next is not empty", "cursor"),
        ({"next": {"after": "x"}}, "next is not empty", "cursor"),
        ({"meta": {"next_token": "t"}}, "meta.next_token is not empty", 'param = "token"'),
        ({"next_offset": 100}, "next_offset is not empty", 'param = "offset"'),
        ({"page_info": {"page": 1, "total_number": 9}}, "page_info.total_number is 9", "page"),
        ({"page_info": {"page": 1, "total_page": 9}}, "page_info.total_page is 9", "page"),
        ({"bookmark": "Y2Jz"}, "bookmark is not empty", 'param = "bookmark"'),
        ({"@page": "1", "@numpages": "5"}, "@numpages is 5", "page"),
        ({"@total": "9"}, "@total is 9", "page"),
        ({"payloadComplete": False}, "payloadComplete is false", "page"),
        ({"done": False}, "done is false", "page"),
        ({"end_of_stream": False, "after_cursor": "c"}, "end_of_stream is false", 'cursor_path = "after_cursor"'),
        ({"after_cursor": "c"}, "after_cursor is not empty", "cursor"),
        ({"next_cursor": ["a", 1]}, "next_cursor is not empty", 'cursor_path = "next_cursor"'),
        ({"nextPageToken": {"id": 1}}, "nextPageToken is not empty", "cursor"),
        ({"next_cursor": True}, "next_cursor is not empty", "cursor"),
        ({"total": 7.0}, "total is 7", "page"),
        ({"_scroll_id": "c"}, "_scroll_id is not empty", "cursor"),
        ({"LastEvaluatedKey": {"id": {"S": "x"}}}, "LastEvaluatedKey is not empty", "cursor"),
        ({"offset": "itr1/rec2"}, "offset is not empty", 'param = "offset"'),
        ({"cursor": "c"}, "cursor is not empty", 'param = "cursor"'),
        ({"page_token": "t"}, "page_token is not empty", 'param = "page_token"'),
        ({"nextPageId": "x"}, "nextPageId is not empty", 'param = "pageId"'),
        ({"info": {"more_records": True}}, "info.more_records is true", "page"),
        ({"pages": {"next": {"starting_after": "x"}, "total_pages": 3}}, "pages.next is not empty", "cursor"),
        ({"pages": {"total_pages": 3}}, "pages.total_pages is 3", "page"),
        ({"hasMoreResults": True}, "hasMoreResults is true", "page"),
        ({"moreDataAvailable": True}, "moreDataAvailable is true", "page"),
        ({"hydra:totalItems": 7}, "hydra:totalItems is 7", "page"),
        ({"totalRowCount": 7}, "totalRowCount is 7", "page"),
        ({"recordsTotal": 7}, "recordsTotal is 7", "page"),
    ],
)  # fmt: skip
def test_signs_of_more_are_errors_that_say_what_to_set(envelope: Any, sign: str, setting: str) -> None:
    with pytest.raises(SourceError) as error:
        after({"data": RECORDS, **envelope})
    assert sign in error.value.what
    assert setting in error.value.hint
    assert "--paginate none" in error.value.hint
    assert error.value.where == URL
    assert after({"data": RECORDS, **envelope}, paginate=Paginate("none")) is None


@pytest.mark.parametrize(
    ("headers", "sign"),
    [({"X-Total-Count": "3"}, "x-total-count is 3"), ({"X-Total-Pages": "2"}, "x-total-pages is 2")],
)
def test_headers_are_signs_for_every_format(headers: dict[str, str], sign: str) -> None:
    with pytest.raises(SourceError, match=sign):
        after(b"a,b\n1,2\n3,4\n", headers)


def test_the_header_of_the_next_page_is_sent_as_page() -> None:
    assert parameters(after(b"a\n1\n", {"X-Next-Page": "2"}))["page"] == ["2"]
    assert after(b"a\n1\n", {"X-Next-Page": ""}) is None


@pytest.mark.parametrize(
    "envelope",
    [
        {"total": 2}, {"count": 2}, {"total": 1}, {"total_pages": 1, "page": 1}, {"current_page": 7, "last_page": 7},
        {"has_more": False, "is_last": True}, {"next": None}, {"next": ""}, {"next": False}, {"next": {}},
        {"next": {"href": None}}, {"total": 99.5}, {"total": "many"}, {"total": int("9" * 300)},
        {"links": {"self": "/x?p=1"}}, {"next_cursor": "c", "has_more": False},
        {"paging": {"cursors": {"before": "a", "after": "b"}}},
        {"cursor": "c", "has_more": False}, {"bookmark": None}, {"bookmark": "", "done": True}, {"offset": 0},
        {"after_cursor": "c", "end_of_stream": True}, {"next_page": URL, "end_of_stream": True, "count": 2},
        {"links": {"next": "/x?p=2"}, "has_more": False}, {"next_cursor": []}, {"next_cursor": {}}, {"total": 2.0},
        {"included": {"users": RECORDS, "has_more": False}},
        {"total": None, "links": [], "page": {"number": 0, "totalPages": 1}}, {"pages": [1, 2]}, {"meta": "x"},
    ],
)  # fmt: skip
def test_what_is_not_a_sign_of_more(envelope: Any) -> None:
    assert after({"data": RECORDS, **envelope}) is None


def test_what_the_request_has_is_no_sign_of_more() -> None:
    request = Request("https://a.b/x?cursor=c")
    assert after({"data": RECORDS, "cursor": "c"}, request=request) is None
    with pytest.raises(SourceError, match="cursor is not empty"):
        after({"data": RECORDS, "cursor": "d"}, request=request)


@pytest.mark.parametrize("paginate", [Paginate("page", start=1), Paginate("header-link")])
def test_a_flag_of_another_list_does_not_end_the_paging(paginate: Paginate) -> None:
    headers = {"Link": "</x?page=2>; rel=next"}
    assert after({"data": RECORDS, "included": {"users": RECORDS, "has_more": False}}, headers, paginate=paginate)
    is_last = after({"data": {"items": RECORDS, "has_more": False}}, {}, paginate=paginate) is None
    assert is_last


@pytest.mark.parametrize(
    ("envelope", "name"),
    [
        ({"nextBatchId": 7}, "nextBatchId"),
        ({"more_available": True}, "more_available"),
        ({"hasAnyMore": "true"}, "hasAnyMore"),
        ({"meta": {"scrollKey": "x"}}, "meta.scrollKey"),
        ({"pagination": {"totalClicks": 3}}, "pagination.totalClicks"),
        ({"total-no-of-pages": 2}, "total-no-of-pages"),
    ],
)
def test_other_names_that_suggest_more_are_a_warning(envelope: Any, name: str) -> None:
    pager = Pager(None, FIRST)
    assert pager.following(FIRST, answer({"data": RECORDS, **envelope}), 2) is None
    assert pager.warning == f"there may be more pages, since the response has {name}; if so, set paginate"


@pytest.mark.parametrize(
    "envelope",
    [
        {"more_available": False}, {"nextBatchId": None}, {"nextBatchId": ""}, {"nextBatchId": 0}, {"more": "no"},
        {"totalClicks": 2}, {"total_spend": 12.5}, {"total-no-of-pages": 1}, {"page": 7, "total_pages": 7},
        {"nextBatchId": 7, "has_more": False}, {"context": "x"}, {"moreover": {}}, {"summary": {"totalClicks": 9}},
    ],
)  # fmt: skip
def test_no_warning_if_nothing_suggests_more(envelope: Any) -> None:
    for body in ({"data": RECORDS, **envelope}, {"data": [{"id": 1, **envelope, "nextBatchId": 7}]}):
        pager = Pager(None, FIRST)
        assert pager.following(FIRST, answer(body), 2) is None
        assert pager.warning == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_envelope_that_is_alone_in_a_list_pages(encoding: str) -> None:
    body = '[{"results": [{"id": 1}], "nextPageToken": "x"}]'.encode(encoding)
    assert parameters(after(body))["pageToken"] == ["x"]
    assert after(b'[{"results": [{"id": 1}], "nextPageToken": "x"}, {"id": 2}]') is None


def test_an_offset_in_the_url_is_what_is_proposed() -> None:
    with pytest.raises(SourceError, match='type = "offset", param = "skip"'):
        after({"data": RECORDS, "total": 5}, request=Request("https://a.b/x?skip=0"))


def test_a_full_page_is_a_warning() -> None:
    request = Request("https://a.b/x?per_page=2")
    pager = Pager(None, request)
    assert pager.following(request, answer(b"[{},{}]"), 2) is None
    assert "as many records as per_page asks for" in pager.warning


@pytest.mark.parametrize(
    "envelope", [{"next": "/x?page=2", "links": {"next": "/x?page=3"}}, {"next_cursor": "a", "nextPageToken": "b"}]
)
def test_contradictions_are_errors(envelope: Any) -> None:
    with pytest.raises(SourceError, match="the response has different") as error:
        after({"data": RECORDS, **envelope})
    assert "name the right one" in error.value.hint


def test_a_link_that_occurs_in_two_places_is_one() -> None:
    assert after({"data": RECORDS, "next": "/x?page=2", "links": {"next": "https://api.example.com/x?page=2"}})


def test_a_repeated_name_is_an_error() -> None:
    with pytest.raises(SourceError, match="occurs twice"):
        after(b'{"data":[{}],"next_cursor":"a","next_cursor":"b"}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{}],"next":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"data":[{}],"next":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"data":[{}],"total":' + b"9" * 10_000 + b"}",
        b'{"data":[{}],"total":1e999,"page":-1,"last_page":"' + b"9" * 10_000 + b'"}',
        b'{"data":[{}],"has_more":"maybe","links":[1,{"rel":2},{"rel":"next","href":3}],"meta":[]}',
        b'{"data":[{}],"next_cursor":"\\ud800"}',
        b'{"data":[{}],"\\ud800":1}',
        b'{"data":[{}],"data":[{}],"x":{"data":[]}}',
        b'{"data":[' * 3000,
        b'{"data":{"data":{"data":{"data":{"data":{"data":[{"next":"/x?p"}]}}}}}}',
        b"{" + b",".join(b'"%d":{"next":"/x?p"}' % at for at in range(1000)) + b"}",
        b'{"data":[{}],"' + b"x" * 10**6 + b'":1}',
    ],
)
@pytest.mark.parametrize("paginate", [None, cursor(), Paginate("page", start=1)])
def test_hostile_bodies_end_or_fail_with_an_error_of_ours(paginate: Paginate | None, body: bytes) -> None:
    failure = ""
    try:
        after(body, paginate=paginate, records=1)
    except SourceError as error:
        failure = str(error)
    assert len(failure) < 600


@few
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["data", "next", "links", "meta", "page", "cursor", "total", "has_more", "rel", "href"]),
        inner, max_size=4),
    max_leaves=15,
))  # fmt: skip
def test_any_json_is_an_end_a_request_or_an_error_of_ours(body: Any) -> None:
    for paginate in (
        None,
        cursor("next"),
        Paginate("json-link"),
        Paginate("page", start=1),
        Paginate("offset", limit=2),
    ):
        try:
            following = after(body, paginate=paginate)
        except SourceError:
            continue
        assert following is None or following.url.startswith("https://api.example.com/")
