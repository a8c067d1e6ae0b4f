"""Why a request to Kafka failed, in words for the user: librdkafka's own texts can have values of properties."""

import re
from collections.abc import Iterable

from confluent_kafka import KafkaError

#: Signs in the text of an error, in the order to look for them. An error's code says less.
_SIGNS = {
    "onnection refused": "connection refused",
    "Failed to resolve": "unknown host name",
    "Invalid response size": "the server there is not a Kafka broker",
    "certificate verify failed": "certificate verify failed",
    "SSL handshake failed": "SSL handshake failed",
    "invalid credentials": "invalid credentials",
    "Unsupported SASL mechanism": "Unsupported SASL mechanism",
    "SSL_HANDSHAKE": "the broker closed the connection during the SSL handshake",
    "Disconnected": "the broker closed the connection",
    "timed out": "no response in time",
}
#: The same for an invalid property.
_SETTING_SIGNS = {
    "JAAS": "a Java JAAS configuration is not supported: set sasl.username and sasl.password",
    "No such configuration property": "unknown property",
    "Invalid value": "not a valid value",
    "Expected bool value": "expected true or false",
    "outside allowed range": "the value is outside the allowed range",
    "No provider for SASL mechanism": "this SASL mechanism is not supported",
    "Unsupported SASL mechanism": "this SASL mechanism is not supported",
    "sasl.username and sasl.password must be set": "sasl.username and sasl.password must be set",
    "no certificate": "failed: no certificate in the file",
    "not in PEM format": "failed: not in PEM format",
    "failed": "failed",
    "must be": "the value does not fit that of another property",
}
#: What to use in place of an unsupported mechanism.
MECHANISMS = "set sasl.mechanism to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
#: Names a property that others require.
_MANDATORY = re.compile(r"`([a-z.]+)` is mandatory")
_MECHANISM = re.compile(r"mechanism (PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|GSSAPI|OAUTHBEARER)\b")


def reason_text(error: KafkaError) -> str:
    """Return why a request failed: by a sign in the error's text, else by its code."""
    text = error.str()
    found = next((why for sign, why in _SIGNS.items() if sign in text), "")
    mechanism = _MECHANISM.search(text)
    return f"{found} for {mechanism[1]}" if found and mechanism else found or _text_of(error.code())


def setting_problem(error: KafkaError, names: Iterable[str]) -> str:
    """Return what is wrong with a property, and which of the given ones it is."""
    text = error.str()
    if required := _MANDATORY.search(text):
        return f"{required[1]} must be set, too"
    found = next((why for sign, why in _SETTING_SIGNS.items() if sign in text), "") or _text_of(error.code())
    name = next((one for one in sorted(names, key=len, reverse=True) if one in text), "")
    if not name:
        return found
    return f"{name} {found}" if found.startswith("failed") else f"{name}: {found}"


def _text_of(code: int) -> str:
    """Return librdkafka's description of a code, which is always the same."""
    return KafkaError(code).str()
