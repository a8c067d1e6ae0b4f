"""Recognise the names of secrets: of the parameters of a URL, headers, fields of a body, properties, variables.

This is the only list of such names. It decides what is left out wherever a URL is shown or stored, and what `masking`
takes for a secret.
"""

import re

#: The words of a name: `X-Amz-Signature`, `apiKey` and `APIKey2` have several.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRETS = {
    "token", "key", "secret", "password", "passwd", "pwd", "pw", "pass", "passphrase", "passcode", "pin", "otp", "totp",
    "signature", "sig", "hmac", "auth", "authorization", "credential", "credentials", "creds", "cookie", "jwt",
    "bearer", "assertion", "saml", "csrf", "xsrf", "sas", "psk", "jaas",
    "session", "sessionid", "sessid", "phpsessid", "jsessionid", "sid",
    "apikey", "authkey", "accesskey", "secretkey", "appkey", "privatekey", "subscriptionkey",
    "accesstoken", "authtoken", "apitoken", "idtoken", "usertoken", "bearertoken", "sessiontoken", "securitytoken",
    "refreshtoken",
}  # fmt: skip
#: Words that end a secret's name also without a separator, as in `clientsecret`.
_ENDINGS = ("secret", "password")
#: Words beside which a token, a key or a session is a place in the data, and beside which a key names something.
_PLACES = {"page", "next", "start", "end", "continuation", "continue", "cursor", "pagination", "paging", "last",
    "previous", "prev", "sync", "after", "before", "marker", "resume", "evaluated",
}  # fmt: skip
_NAMED = {"sort", "partition", "primary", "foreign", "row", "object", "record", "group", "order", "publisher",
    "advertiser", "campaign", "creative", "placement", "event", "report", "column", "field", "dimension",
}  # fmt: skip
#: A code is a secret by itself, or beside these words only: there are codes of countries, too.
_CODES = {"code", "auth", "authorization", "oauth", "access", "verification", "login", "security", "device", "pass",
    "pin", "otp", "reset", "authcode", "passcode",
}  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether a name has a word for a secret, as in `api_key`, `authToken` or `code`."""
    words = {word.lower() for word in _WORDS.findall(name)}
    if "code" in words and words <= _CODES:
        return True
    found = {word for word in words if word in _SECRETS or word.endswith(_ENDINGS)}
    if words & _PLACES:
        found -= {"token", "key", "session"}
    return bool(found - {"key"} if words & _NAMED else found)
