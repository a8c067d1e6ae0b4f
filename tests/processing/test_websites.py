"""The host of a website, and its registered domain."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.processing.websites import host_of, read_hosts, registered_domain, registered_domains
from tests.budget import examples
from tests.processing.messages import event_of, message, reject_of

GOOD = {
    # absolute URLs, by the WHATWG URL standard
    "https://example.com": "example.com",
    "https://Example.COM/Path?q=1#f": "example.com",
    "HTTPS://EXAMPLE.COM": "example.com",
    "http://example.com:8080/": "example.com",
    "http://example.com:/": "example.com",
    "http://example.com?x=1": "example.com",
    "http://example.com#f": "example.com",
    "http://a.b-c.example.co.uk/": "a.b-c.example.co.uk",
    "http://localhost/": "localhost",
    "http://intranet/": "intranet",
    "http://a_b.example.com/": "a_b.example.com",
    "http://ex%61mple.com/": "example.com",
    "http://example.com/é?ü": "example.com",
    # addresses
    "http://192.0.2.1/": "192.0.2.1",
    "http://1.2": "1.0.0.2",
    "http://0x7f.1/": "127.0.0.1",
    "http://[2001:DB8::1]:80/x": "[2001:db8::1]",
    "http://[::ffff:192.0.2.1]/": "[::ffff:c000:201]",
    # names in other scripts
    "https://münchen.de/": "xn--mnchen-3ya.de",
    "https://MÜNCHEN.de/": "xn--mnchen-3ya.de",
    "https://xn--mnchen-3ya.de/": "xn--mnchen-3ya.de",
    "https://日本語.jp": "xn--wgv71a119e.jp",
    "https://ⓔxample.com/": "example.com",
    "https://☃.example/": "xn--n3h.example",
    "https://XN--N3H.example/": "xn--n3h.example",
    "xn--fa-hia.example": "xn--fa-hia.example",
    "https://faß.example/": "xn--fa-hia.example",
    # bare hosts
    "example.com": "example.com",
    "EXAMPLE.com:443": "example.com",
    "münchen.de": "xn--mnchen-3ya.de",
    "localhost": "localhost",
    "localhost:8080": "localhost",
    "192.0.2.1": "192.0.2.1",
    "192.0.2.1:80": "192.0.2.1",
    "[::1]": "[::1]",
    "[::1]:80": "[::1]",
}

BAD = (
    # not a web address
    "", " ", "null", "undefined", "intranet", "ftp://example.com", "javascript:alert(1)", "mailto:a@example.com",
    "file:///etc/passwd", "about:blank", "data:text/html,x", "//example.com", "http:example.com", "http:/example.com",
    r"http:\\example.com", "://example.com", "example.com/path", "example.com?x=1", "example.com#f",
    # no host, or an invalid one
    "http://", "https://?", "http:///", "http://example.com:99999/", "example.com:99999", "example.com:",
    "http://example.com:80:80", "http://example.com:port", "http://256.1.1.1/", "256.1.1.1", "1.2", "0x7f.1",
    "http://1.2.3.4.5/", "http://[::1", "http://[::g]/", "[::1", "http://a<b.com/", "http://a b.com/", "http://a%00b.com/",
    # an empty label: accepted by a URL parser, but not a valid name
    "http://a..example.com/", "http://.example.com/", ".example.com", "http://.../", "a..com",
    # punycode that encodes nothing, what another text is encoded as, or what is not allowed in a name
    "https://xn--/", "http://a.b.c.xn--pokxncvks", "http://10.0.0.XN--pokxncvks", "http://a.b.c.Xn--pokxncvks",
    "a.xn--pokxncvks", "xn--.example.com", "http://xn--a.com/", "http://xn--example-.com/", "http://xn--abc.com/",
    "http://xn--mnchen-3YA.xn--nü.de/", "http://a.xn--a-ecp.ru/",
    # a macro that was not replaced
    "{{PAGE_URL}}", "{{SITE.DOMAIN}}", "https://{{DOMAIN}}/", "https://{domain}.example.com/", "https://${SITE}/x",
    "${A.B}", "%%SITE.A%%", "https://%%SITE%%/", "[SITE.A]", "https://[DOMAIN]/", "__SITE__.com", "https://__SITE__/",
    # credentials
    "http://user:secret@example.com/", "http://user@example.com/", "user@example.com", "https://:secret@example.com/",
    # whitespace and control characters, which a browser would drop
    " https://example.com", "https://example.com ", "https://example.com\n", "https://exa\tmple.com/", "example.com\r",
    "\u00a0example.com", "example.com\u3000", "https://example.com/\x00", "https://example.com/\x7f",
)  # fmt: skip


@pytest.mark.parametrize(("website", "host"), GOOD.items())
def test_a_valid_website_has_a_host(website: str, host: str) -> None:
    assert host_of(website) == host


@pytest.mark.parametrize("website", BAD)
def test_an_invalid_website_has_no_host(website: str) -> None:
    assert host_of(website) is None


def test_a_column_is_read_like_its_rows() -> None:
    websites = [*GOOD, None, *BAD, *GOOD]

    hosts = read_hosts(pl.Series("website", websites, dtype=pl.String))

    assert hosts.to_list() == [*GOOD.values(), None, *([None] * len(BAD)), *GOOD.values()]
    assert read_hosts(pl.Series("website", [], dtype=pl.String)).to_list() == []


def test_invalid_punycode_of_the_web_platform_tests_is_rejected(shared_data: Callable[[str], Path]) -> None:
    cases = json.loads((shared_data("url_wpt") / "urltestdata.json").read_text(encoding="utf-8"))
    encoded = [case for case in cases if isinstance(case, dict) and "xn--" in case["input"].lower()]
    invalid = [case["input"] for case in encoded if case.get("failure") and case["input"].startswith("http")]

    assert len(invalid) == 7
    assert [host_of(text) for text in invalid] == [None] * 7
    assert [host_of(text.partition("//")[2].strip("/")) for text in invalid] == [None] * 7


@settings(max_examples=examples(300))
@given(
    scheme=st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "", "http:/"]),
    host=st.text("aZ0-._~é:@[]%19 x", min_size=0, max_size=10),
    suffix=st.sampled_from(["", "/", "/a/b", "?x", "#y", "/a b", ":80/", "/\\", "/[]"]),
)
def test_the_fast_path_agrees_with_the_parser(scheme: str, host: str, suffix: str) -> None:
    website = scheme + host + suffix

    assert read_hosts(pl.Series([website])).to_list() == [host_of(website)]


@settings(max_examples=examples(100))
@given(st.text(max_size=30))
def test_any_text_can_be_read(text: str) -> None:
    host = host_of(text)

    assert host is None or (host and host == host.lower() and host.isascii())


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("www.example.com", "example.com"),
        ("a.b.c.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("localhost", "localhost"),
        ("somebody.github.io", "somebody.github.io"),
        ("www.somebody.github.io", "somebody.github.io"),
        ("a.b.c.kobe.jp", "b.c.kobe.jp"),  # *.kobe.jp
        ("www.city.kobe.jp", "city.kobe.jp"),  # !city.kobe.jp
        ("www.xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("www.example.notatld", "example.notatld"),
    ],
)
def test_the_registered_domain_is_one_label_below_the_public_suffix(host: str, domain: str) -> None:
    assert registered_domain(host) == domain


def test_domains_of_a_column() -> None:
    hosts = pl.Series(["www.example.com", None, "example.com", "www.example.com"])

    assert registered_domains(hosts).to_list() == ["example.com", None, "example.com", "example.com"]


@pytest.mark.parametrize("feed", ["impressions", "bids"])
def test_the_website_is_stored_as_sent_beside_its_domain(feed: str) -> None:
    event = event_of(feed, message(feed, website="https://WWW.Example.co.uk:8080/Path"))

    assert (event["website"], event["domain"]) == ("https://WWW.Example.co.uk:8080/Path", "example.co.uk")


@pytest.mark.parametrize("feed", ["impressions", "bids"])
def test_an_invalid_website_is_a_reject(feed: str) -> None:
    reject = reject_of(feed, message(feed, website="ftp://example.com"))

    assert (reject["stage"], reject["reason"]) == ("validate", "bad_website")


def test_a_bid_needs_no_website() -> None:
    for absent in (..., None, ""):
        event = event_of("bids", message("bids", website=absent))
        assert (event["website"], event["domain"]) == (None, None)
