import pytest
from hypothesis import settings

from advertisex.errors import ConfigurationError
from advertisex.ingestion.options.paginate import TYPES, Paginate, parse_paginate, usual_param
from tests.budget import examples
from tests.ingestion.api_pages import RECORDS, after, parameters

few = settings(max_examples=examples(60))


@pytest.mark.parametrize("name", TYPES)
def test_the_types_have_defaults(name: str) -> None:
    assert parse_paginate(name) == Paginate(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "paginate"),
    [
        ("cursor:cursor_path=meta.next,param=after", Paginate("cursor", cursor_path="meta.next", param="after")),
        ("cursor: cursor_header = X-Next-Page", Paginate("cursor", cursor_header="X-Next-Page")),
        ("offset:limit=50,start=0,limit_param=n", Paginate("offset", limit=50, start=0, limit_param="n")),
        ("json-link:next_path=a=b", Paginate("json-link", next_path="a=b")),
    ],
)
def test_a_type_has_parts(text: str, paginate: Paginate) -> None:
    assert parse_paginate(text) == paginate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cursor:", "'' has no '='.*write it as cursor:PART=VALUE"),
        ("cursor:param=a,", "'' has no '='"),
        ("cursor:after", "'after' has no '='.*its parts: cursor_path"),
        ("cursor:path=a", "'path' is not a part of the type cursor.*its parts: cursor_path"),
        ("none:param=a", "'param' is not a part of the type none.*its parts: none"),
        ("cursor:param=a,param=b", "param is given twice"),
        ("cursor:param=", "'' is not a valid name"),
        ("cursor:cursor_path=unusual", "the parameter that takes the cursor is missing"),
        ("cursor:cursor_path=a,cursor_header=b,param=c", "exclude each other"),
        ("page:start=one", "start: 'one' is not a whole number"),
        ("page:start=-1", "start: '-1' is not a whole number"),
        ("offset:limit=0", "0 is not a valid number"),
        ("offset:limit_param=n", "limit_param needs a limit"),
    ],
)
def test_an_error_of_the_flag_names_it(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        parse_paginate(text)
    assert error.value.where == "--paginate"


@pytest.mark.parametrize("text", ["", "Cursor", "links", "cursor "])
def test_an_unknown_type_lists_the_types(text: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown type of paging") as error:
        parse_paginate(text)
    assert all(name in str(error.value) for name in TYPES)


@pytest.mark.parametrize(
    ("paginate", "part"),
    [
        (Paginate("links"), "type"),  # type: ignore[arg-type]
        (Paginate("none", param="p"), "param"),
        (Paginate("header-link", next_path="p"), "next_path"),
        (Paginate("json-link", cursor_path="p"), "cursor_path"),
        (Paginate("cursor", start=1), "start"),
        (Paginate("page", limit=1), "limit"),
        (Paginate("page", start=-1), "start"),
        (Paginate("offset", limit=0), "limit"),
        (Paginate("offset", limit_param="n"), "limit_param"),
        (Paginate("offset", param="a", body_param="b"), "body_param"),
        (Paginate("cursor", cursor_path="a", cursor_header="b", param="c"), "cursor_header"),
        (Paginate("cursor", cursor_path="unusual"), "param"),
        (Paginate("cursor", cursor_header="X-C"), "param"),
        (Paginate("cursor", cursor_header="X C", param="c"), "cursor_header"),
        (Paginate("cursor", cursor_path="", param="c"), "cursor_path"),
        (Paginate("cursor", param="a\nb"), "param"),
    ],
)
def test_missing_and_contradictory_parts_are_named(paginate: Paginate, part: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        paginate.check()
    assert error.value.where == f"paginate.{part}"
    assert error.value.hint


def test_the_usual_parameter_of_a_cursor() -> None:
    assert usual_param("response_metadata.next_cursor") == "cursor"
    assert usual_param("a.cursor.next") == "cursor"
    assert usual_param("nextPageToken") == "pageToken"
    assert usual_param("x.next") is None
    Paginate("cursor", cursor_path="x.next_page_token").check()
    assert parameters(
        after(
            {"data": RECORDS, "x": {"next_page_token": "t"}},
            paginate=Paginate("cursor", cursor_path="x.next_page_token"),
        )
    )["page_token"] == ["t"]
