import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.api.paging.pager import Pager
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.paginate import Paginate
from tests.budget import examples
from tests.ingestion.api_pages import FIRST, RECORDS, URL, after, answer, cursor, parameters

few = settings(max_examples=examples(60))


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("https://evil.example/x?page=2", "on another host, evil.example"),
        ("//evil.example/x?page=2", "on another host"),
        ("https://api.example.com:8443/x?page=2", "on another host"),
        ("https://api.example.com@evil.example/x", "on another host"),
        ("http://api.example.com/x?page=2", "not encrypted"),
        ("ftp://api.example.com/x", "not a valid URL"),
        ("javascript:alert(1)", "not a valid URL"),
        ("https://[::1/x", "not a valid URL"),
        ("https:///x", "not a valid URL"),
        ("/x?\n", "not a valid URL"),
        ("/x\ty", "not a valid URL"),
        ("/x?" + "y" * 17_000, "longer than 16384 bytes"),
    ],
)
def test_links_that_are_not_followed(link: str, message: str) -> None:
    if not link.endswith("\n"):  # which is at the end of a text only
        with pytest.raises(SourceError, match=message):
            after({"data": RECORDS, "here": link}, paginate=Paginate("json-link", next_path="here"))
    if "\n" not in link and "<" not in link:
        with pytest.raises(SourceError, match=message):
            after(headers={"Link": f"<{link}>; rel=next"})


def test_a_link_may_be_encrypted_where_the_page_was_not() -> None:
    following = after({"data": RECORDS, "next": "https://a.b/x?p=2"}, request=Request("http://a.b/x"))
    assert following == Request("https://a.b/x?p=2")


def test_a_link_keeps_the_user_of_the_url() -> None:
    following = after({"data": RECORDS, "next": "/x?p=2"}, request=Request("https://me:s%40crt@a.b/x"))
    assert following == Request("https://me:s%40crt@a.b/x?p=2")
    with pytest.raises(SourceError) as error:
        after({"data": RECORDS, "next": "https://b.c/x?p=2"}, request=Request("https://me:s%40crt@a.b/x"))
    assert "s%40crt" not in str(error.value)


def test_links_are_relative_to_the_url_that_answered() -> None:
    response = answer({"data": RECORDS, "next": "?p=2"}, url="https://api.example.com/v2/list?p=1")
    assert Pager(None, FIRST).following(FIRST, response, 2) == Request("https://api.example.com/v2/list?p=2")
    response = answer({"data": RECORDS, "next": "?p=2"}, url="https://eu.example.com/v2/list?p=1")
    with pytest.raises(SourceError, match=r"on another host, eu\.example\.com"):
        Pager(None, FIRST).following(FIRST, response, 2)


def test_method_headers_and_body_are_kept_and_conditions_are_left_out() -> None:
    request = Request(URL, "POST", {"X-Since": "1", "If-None-Match": '"x"', "if-modified-since": "y"}, b'{"q":1}')
    following = after({"data": RECORDS, "next": "?p=2"}, request=request)
    assert following == Request("https://api.example.com/v1/clicks?p=2", "POST", {"X-Since": "1"}, b'{"q":1}')
    pager = Pager(Paginate("page", start=1), request)
    assert pager.first.headers == request.headers
    assert pager.following(pager.first, answer(), 2) == replace(following, url=f"{URL}&page=2")


@pytest.mark.parametrize("end", [None, "", " ", False, 0, [], {}])
def test_an_empty_cursor_ends(end: Any) -> None:
    assert after({"data": RECORDS, "at": {"c": end}}, paginate=cursor()) is None


@pytest.mark.parametrize("wrong", [{"x": 1}, [1], True, ["a"], "a\nb"])
def test_other_values_cannot_be_cursors(wrong: Any) -> None:
    with pytest.raises(SourceError):
        after({"data": RECORDS, "at": {"c": wrong}}, paginate=cursor())


def test_cursors_may_have_16_kib() -> None:
    assert after({"data": RECORDS, "at": {"c": "x" * 16_000}}, paginate=cursor())
    with pytest.raises(SourceError, match="longer than 16384 bytes"):
        after({"data": RECORDS, "at": {"c": "x" * 2**20}}, paginate=cursor())
    with pytest.raises(SourceError, match="longer than 16384 bytes"):
        after({"data": RECORDS, "next_cursor": "x" * 2**20})


def test_a_cursor_replaces_that_of_the_request_and_keeps_the_rest() -> None:
    request = Request("https://a.b/x%2Fy?q=a+b&after=&q=%7e&after=z&e#f")
    following = after({"data": RECORDS, "at": {"c": "ü&="}}, paginate=cursor(), request=request)
    assert following == Request("https://a.b/x%2Fy?q=a+b&after=%C3%BC%26%3D&q=%7e&e#f")


def test_a_cursor_in_the_body() -> None:
    paginate = cursor(param=None, body_param="variables.after")
    request = Request(URL, "POST", {}, b'{"query": "{x}", "variables": {"n": 1.10, "after": null}, "b": 1e2}')
    following = after({"data": RECORDS, "at": {"c": 'a"b'}}, paginate=paginate, request=request)
    assert following
    assert following.url == URL
    assert following.body == b'{"query":"{x}","variables":{"n":1.10,"after":"a\\"b"},"b":1e2}'
    request = Request(URL, "POST", {}, b"{}")
    following = after({"data": RECORDS, "at": {"c": "a"}}, paginate=paginate, request=request)
    assert following
    assert following.body == b'{"variables":{"after":"a"}}'


@pytest.mark.parametrize(
    "request_", [FIRST, Request(URL, "POST"), Request(URL, "POST", {}, b"a=1"), Request(URL, "POST", {}, b'{"a":1}')]
)
@pytest.mark.parametrize("kind", ["cursor", "page", "offset"])
def test_a_body_that_cannot_have_the_parameter_is_an_error(kind: Any, request_: Request) -> None:
    with pytest.raises(ConfigurationError, match=r"paginate\.body_param"):
        Pager(Paginate(kind, body_param="a.b"), request_)


def test_a_cursor_of_a_header_pages_csv() -> None:
    paginate = Paginate("cursor", cursor_header="X-Continue", param="c")
    assert parameters(after(b"a\n1\n", {"x-continue": "z z"}, paginate=paginate))["c"] == ["z z"]
    assert after(b"a\n1\n", paginate=paginate) is None


@pytest.mark.parametrize(
    "paginate",
    [cursor(), Paginate("cursor"), Paginate("json-link", next_path="x"), Paginate("page", start=1, total_path="x")],
)
def test_paths_need_json(paginate: Paginate) -> None:
    for body in (b"a,b\n1,2\n", b"[{}]", b'{"a":1}\n{"a":2}\n', b"Obj\x01"):
        with pytest.raises(SourceError, match=r"paginate\.\w+ needs responses that are JSON objects") as error:
            after(body, paginate=paginate)
        assert "header-link, page and offset" in error.value.hint
    assert after(b"", paginate=paginate, records=0) is None


@pytest.mark.parametrize("paginate", [cursor(), Paginate("json-link", next_path="nxt"), Paginate("header-link")])
def test_a_path_that_leads_nowhere_is_an_error_if_there_is_more(paginate: Paginate) -> None:
    assert after(paginate=paginate) is None  # the last page of many APIs has no cursor at all
    for more in ({"has_more": True}, {"total": 3}, {"next_cursor": "c"}, {"next": "/x?p=2"}, {"total_pages": 2}):
        with pytest.raises(SourceError, match="more pages"):
            after({"data": RECORDS, **more}, paginate=paginate)


def test_a_cursor_that_is_missing_later_ends_unless_a_flag_says_more() -> None:
    for last, fails in (({}, False), ({"total": 4}, False), ({"has_more": True}, True)):
        pager = Pager(None, FIRST)
        second = pager.following(FIRST, answer({"data": RECORDS, "next_cursor": "c"}), 2)
        assert second
        body = {"data": [{"id": 3}, {"id": 4}], **last}
        if fails:
            with pytest.raises(SourceError, match="page 2 does not lead to a next page, but has_more is true"):
                pager.following(second, answer(body), 2)
        else:
            assert pager.following(second, answer(body), 2) is None
            assert (pager.records, pager.pages, pager.warning) == (4, 2, "")


def test_a_total_above_what_came_is_a_warning() -> None:
    pager = Pager(None, FIRST)
    second = pager.following(FIRST, answer({"data": RECORDS, "next_cursor": "c", "total": 5}), 2)
    assert second
    assert pager.following(second, answer({"data": [{"id": 3}], "total": 5}), 1) is None
    assert pager.warning.startswith("total is 5, records so far: 3")


def test_the_first_request_has_the_start() -> None:
    assert Pager(Paginate("page", start=1), FIRST).first.url == f"{URL}&page=1"
    body = Request(URL, "POST", body=b'{"q": {"page": 0}}')
    assert Pager(Paginate("page", body_param="q.page"), body).first.body == b'{"q":{"page":0}}'
    assert Pager(Paginate("page", start=0, param="p"), FIRST).first.url == f"{URL}&p=0"
    assert Pager(Paginate("page"), Request("https://a.b?page=3")).first.url == "https://a.b?page=3"
    assert Pager(Paginate("page", start=0), Request("https://a.b?page=3")).first.url == "https://a.b?page=0"
    assert Pager(Paginate("offset"), Request("https://a.b")).first.url == "https://a.b?offset=0"
    offset = Paginate("offset", param="skip", limit=50, limit_param="top")
    assert Pager(offset, Request("https://a.b?skip=x")).first.url == "https://a.b?skip=0&top=50"
    body = Request(URL, "POST", {}, b'{"from":10}')
    assert (
        Pager(Paginate("offset", body_param="from", limit=5, limit_param="size"), body).first.body
        == b'{"from":10,"size":5}'
    )
    assert Pager(None, FIRST).first == FIRST


def test_names_with_brackets() -> None:
    pager = Pager(Paginate("page", param="page[number]"), Request("https://a.b?page%5Bnumber%5D=2&x=1"))
    assert pager.following(pager.first, answer(), 2) == Request("https://a.b?page%5Bnumber%5D=3&x=1")


def test_a_short_page_does_not_end_and_an_offset_moves_by_what_came() -> None:
    pager = Pager(Paginate("offset", limit=100), FIRST)
    second = pager.following(pager.first, answer(), 2)
    assert parameters(second)["offset"] == ["2"]
    assert parameters(second)["limit"] == ["100"]


@pytest.mark.parametrize(
    ("paginate", "hint"),
    [
        (Paginate("page"), "into the URL, as in ?page=1, or set start"),
        (Paginate("page", param="p"), 'param = "p", start = 1'),
        (
            Paginate("page", body_param="q.p"),
            'the body, or set start, as in paginate = { type = "page", body_param',
        ),
    ],
)
def test_a_first_page_without_a_number_is_an_error(paginate: Paginate, hint: str) -> None:
    request = Request(f"{URL}&page=first", "POST", body=b"{}")
    with pytest.raises(ConfigurationError, match="whether the first page is 0 or 1") as error:
        Pager(paginate, request)
    assert hint in error.value.hint


def numbered(kind: Any, **parts: Any) -> Paginate:
    return Paginate(kind, start=1 if kind == "page" else None, **parts)


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_a_total_ends_if_it_is_sure(kind: Any) -> None:
    named = numbered(kind, total_path="n")
    assert after({"data": RECORDS, "n": 2}, paginate=named) is None
    assert after({"data": RECORDS, "n": "2"}, paginate=named) is None
    assert after({"data": RECORDS, "n": 3}, paginate=named)
    for wrong in (None, "x", [], 1.5):
        with pytest.raises(SourceError, match="whole number at n"):
            after({"data": RECORDS, "n": wrong}, paginate=named)
    assert after({"data": RECORDS, "total": 2}, paginate=numbered(kind)), "it may be that of the page"
    pager = Pager(numbered(kind), FIRST)
    second = pager.following(pager.first, answer({"data": RECORDS, "total": 3}), 2)
    assert second
    assert pager.following(second, answer({"data": [{"id": 3}], "total": 3}), 1) is None
    full = Pager(numbered(kind), FIRST)
    second = full.following(full.first, answer({"data": RECORDS, "total": 4}), 2)
    assert second
    assert full.following(second, answer({"data": [{"id": 3}, {"id": 4}], "total": 4}), 2), "it may be limited"


def test_a_number_of_pages_ends() -> None:
    one = Paginate("page", start=1)
    assert after({"data": RECORDS, "total_pages": 1}, paginate=one) is None
    assert after({"data": RECORDS, "pages": 1}, paginate=one), "that may be the number of the page"
    assert after({"data": RECORDS, "total_pages": 2}, paginate=one)
    assert (
        after({"data": RECORDS, "total_pages": 2}, paginate=Paginate("page"), request=Request("https://a.b?page=2"))
        is None
    )
    assert after({"data": RECORDS, "last_page": 1}, paginate=one) is None
    assert after(b"a\n1\n", {"X-Total-Pages": "1"}, paginate=one) is None
    zero = Paginate("page", start=0)
    assert after({"data": RECORDS, "total_pages": 1}, paginate=zero) is None
    assert after({"data": RECORDS, "last_page": 1}, paginate=zero), "the number of the last page may be from zero"


def test_an_empty_page_ends_unless_there_should_be_more() -> None:
    for kind in ("page", "offset"):
        assert after([], paginate=numbered(kind), records=0) is None
        for more in ({"has_more": True}, {"total": 5}):
            with pytest.raises(SourceError, match=r"has_more is true|records so far: 0"):
                after({"data": [], **more}, paginate=numbered(kind), records=0)


@pytest.mark.parametrize("headers", [{}, {"X-Total-Count": "5"}])
@pytest.mark.parametrize(("kind", "numbers"), [("page", "1234"), ("offset", "0246")])
def test_pages_that_end_below_the_total_are_an_error_until_they_do_so_again(
    kind: Any, numbers: str, headers: dict[str, str]
) -> None:
    total = {} if headers else {"total": 5}
    pager = Pager(numbered(kind), FIRST)
    second = pager.following(pager.first, answer({"data": RECORDS, **total}, headers), 2)
    assert second
    third = pager.following(second, answer({"data": [], **total}, headers), 0)  # it may be a gap
    assert third
    asked = [parameters(request)[kind] for request in (pager.first, second, third)]
    assert asked == [[number] for number in numbers[:3]]
    beyond = pager.following(third, answer({"data": [{"id": 3}, {"id": 4}], **total}, headers), 2)
    assert beyond
    assert parameters(beyond)[kind] == [numbers[3]], "it was one"
    after_that = pager.following(beyond, answer({"data": [], **total}, headers), 0)
    assert after_that
    with pytest.raises(SourceError, match=r"the pages end too early: .*otal.* is 5, records so far: 4") as error:
        pager.following(after_that, answer({"data": [], **total}, headers), 0)
    assert "the next poll asks again" in error.value.hint
    resumed = Pager(numbered(kind), FIRST, records=4)
    once_more = resumed.following(beyond, answer({"data": [], **total}, headers), 0)
    assert once_more
    assert resumed.following(once_more, answer({"data": [], **total}, headers), 0) is None
    assert "is 5, records so far: 4; the total may be wrong" in resumed.warning
    assert resumed.missing == 1


@pytest.mark.parametrize(("accepted", "fails"), [(1, False), (0, True)])
def test_a_total_that_was_wrong_before_is_a_warning(accepted: int, fails: bool) -> None:
    pager = Pager(numbered("page"), FIRST, missing=accepted)
    body: dict[str, Any] = {"data": RECORDS, "total": 3}
    request = pager.following(pager.first, answer(body), 2)
    for _ in range(2):
        assert request
        try:
            request = pager.following(request, answer(body | {"data": []}), 0)
        except SourceError:
            assert fails
            return
    assert request is None
    assert not fails


@pytest.mark.parametrize("paginate", [Paginate("page", start=1), Paginate("offset"), cursor(), None])
def test_a_server_that_ignores_the_parameter_is_found(paginate: Paginate | None) -> None:
    pager = Pager(paginate, FIRST)

    def body(at: int) -> Response:
        return answer({"data": RECORDS, "at": {"c": at}, "next_cursor": f"c{at}", "generated_at": at})

    second = pager.following(pager.first, body(1), 2)
    assert second
    with pytest.raises(SourceError, match="page 2 has the same records as page 1") as error:
        pager.following(second, body(2), 2)
    assert "--paginate none" in error.value.hint


def test_pages_with_damaged_records_are_not_taken_for_each_other() -> None:
    pager = Pager(Paginate("page", start=1), FIRST)
    second = pager.following(pager.first, answer(b'{"data":[{"id":1},{x}]}'), 2)
    assert second
    assert pager.following(second, answer(b'{"data":[{"id":2},{x}]}'), 2)


def test_a_loop_is_found() -> None:
    first = Request("https://api.example.com/x?p=1")
    pager = Pager(None, first)
    second = pager.following(first, answer({"data": [{"id": 1}], "next": "?p=2"}, url=first.url), 1)
    assert second
    third = pager.following(second, answer({"data": [{"id": 2}], "next": "?p=3"}, url=first.url), 1)
    assert third
    with pytest.raises(SourceError, match="page 3 leads to a page that was read before"):
        pager.following(third, answer({"data": [{"id": 3}], "next": "?p=2"}, url=first.url), 1)


def test_a_cursor_that_stays_on_an_empty_page_ends() -> None:
    pager = Pager(None, FIRST)
    second = pager.following(FIRST, answer({"data": RECORDS, "next_cursor": "c"}), 2)
    assert second
    assert pager.following(second, answer({"data": [], "next_cursor": "c"}), 0) is None


def test_empty_pages_with_other_cursors_do_not_end() -> None:
    pager = Pager(None, FIRST)
    request: Request | None = FIRST
    for at in range(4):
        assert request
        request = pager.following(request, answer({"data": [], "next_cursor": f"c{at}"}), 0)
    assert request


def test_a_resumed_poll_goes_on_where_it_was() -> None:
    page = Pager(Paginate("page", start=0), FIRST, records=40)
    assert parameters(page.following(Request(f"{URL}&page=20"), answer({"data": RECORDS, "total": 50}), 2))["page"] == [
        "21"
    ]
    last = Pager(Paginate("cursor", cursor_path="next_cursor", param="cursor"), FIRST, records=40)
    assert (
        last.following(Request(f"{URL}&cursor=x"), answer({"data": RECORDS, "total": 42, "total_pages": 9}), 2) is None
    )
    assert last.warning == ""


Server = Callable[[Request], tuple[Response, int]]


def serve(items: list[int], size: int, kind: str, style: str) -> Server:
    """A server without I/O that pages a list."""

    def answered(request: Request) -> tuple[Response, int]:
        query = dict(parse_qsl(urlsplit(request.url).query))
        begin = {
            "page": (int(query.get("page", 1)) - 1) * size,
            "offset": int(query.get("offset", 0)),
        }.get(kind, int(query.get("cursor", "0").removeprefix("c")))
        found = items[begin : begin + size]
        end = begin + len(found)
        more = end < len(items)
        envelope: dict[str, Any] = {"data": [{"id": item} for item in found]}
        headers = {}
        link = "?" + urlencode({**query, "cursor": f"c{end}"})
        if kind == "header-link" and more:
            headers["link"] = f'</first>; rel="first", <{link}>; rel="next"'
        if kind == "json-link":
            envelope |= {"links": {"next": link if more else None}}
        if kind == "cursor":
            envelope |= {"meta": {"next_cursor": f"c{end}" if more else None, "has_more": more}}
        if style == "total":
            envelope |= {"total": len(items)}
        if style == "csv":
            return Response(
                b"id\n" + b"".join(b"%d\n" % item for item in found), url=request.url, headers=headers
            ), len(found)
        return Response(json.dumps(envelope).encode(), url=request.url, headers=headers), len(found)

    return answered


def walk(pager: Pager, server: Server) -> list[int]:
    ids: list[int] = []
    request: Request | None = pager.first
    while request is not None:
        response, count = server(request)
        is_json = response.body.startswith(b"{")
        ids += (
            [r["id"] for r in json.loads(response.body)["data"]]
            if is_json
            else [int(line) for line in response.body.split()[1:]]
        )
        request = pager.following(request, response, count)
    return ids


@few
@given(
    st.lists(st.integers(0, 10**6), max_size=40, unique=True),
    st.integers(1, 12),
    st.sampled_from(["header-link", "json-link", "cursor", "page", "offset"]),
    st.sampled_from(["plain", "total", "csv"]),
    st.booleans(),
)
def test_each_record_comes_once(items: list[int], size: int, kind: Any, style: str, recognise: bool) -> None:
    if style == "csv" and kind in {"json-link", "cursor"}:
        style = "plain"
    recognise = recognise and kind not in {"page", "offset"}
    start = 1 if kind == "page" else None
    paginate = None if recognise else Paginate(kind, start=start)
    pager = Pager(paginate, FIRST)
    assert walk(pager, serve(items, size, kind, style)) == items
    assert (pager.records, pager.warning) == (len(items), "")
    assert bool(pager.detected) == (recognise and len(items) > size)


@few
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=5), st.text(min_size=1, max_size=8))
def test_a_parameter_is_set_once_and_the_others_stay(query: list[tuple[str, str]], value: str) -> None:
    url = "https://a.b/x" + ("?" + urlencode(query) if query else "")
    pager = Pager(Paginate("cursor", cursor_path="c", param="k"), Request(url))
    if not value.strip() or not value.isprintable():
        return
    following = pager.following(pager.first, answer({"data": RECORDS, "c": value}), 2)
    assert following
    pairs = parse_qsl(urlsplit(following.url).query, keep_blank_values=True)
    assert [pair for pair in pairs if pair[0] != "k"] == [pair for pair in query if pair[0] != "k"]
    assert [pair[1] for pair in pairs if pair[0] == "k"] == [value]
