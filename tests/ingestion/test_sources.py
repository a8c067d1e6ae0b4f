import io

import pytest

from advertisex.ingestion.sources import Files, Source, Stdin, Url, redacted, source_of


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("-", Stdin(), "stdin"),
        ("https://u:p@h/x", Url("https://u:p@h/x"), "https://h/x"),
        ("HTTP://h/x", Url("HTTP://h/x"), "http://h/x"),
        ("a/*.csv", Files("a/*.csv"), "a/*.csv"),
        ("httpd.csv", Files("httpd.csv"), "httpd.csv"),
        ("", Files(""), ""),
    ],
)
def test_what_a_source_names(text: str, source: Source, name: str) -> None:
    assert source_of(text) == source
    assert source_of(text).name == name


def test_the_standard_input_can_be_another_stream() -> None:
    stream = io.BytesIO()
    assert source_of("-", stream) == Stdin(stream)


def test_the_representation_of_a_url_hides_secrets() -> None:
    assert "hidden" not in repr(Url("https://u:hidden@h/x?token=hidden"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h/x?a=1", "https://h/x?a=1"),
        ("https://h/x?api_key=1&b=2#f", "https://h/x?api_key=***&b=2"),
        ("https://h/x?X-Amz-Signature=1", "https://h/x?X-Amz-Signature=***"),
        ("https://h:port/x", "the given URL"),
        ("https://h/{cursor}?a={since}&key=1", "https://h/{cursor}?a={since}&key=***"),
        ("https://h/x?a={since:%Y-%m-%d}&b={until:epoch}", "https://h/x?a={since:%Y-%m-%d}&b={until:epoch}"),
        ("https://h/x?a={other}", "https://h/x?a=%7Bother%7D"),
    ],
)
def test_a_shown_url_hides_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown
