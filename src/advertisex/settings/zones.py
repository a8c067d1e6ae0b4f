"""Time zones that can be named in settings and options."""

from zoneinfo import ZoneInfo

#: Files beside those of the zones, which Python reads as zones, but nothing else does.
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
_OTHER_COPIES = ("posix/", "right/")


def zone_name(name: str) -> str:
    """Check the IANA name of a time zone.

    Raises:
        ValueError: it is unknown.
    """
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        is_known = False
    else:
        is_known = name not in _NO_ZONES and not name.startswith(_OTHER_COPIES)
    if not is_known:
        raise ValueError(f"unknown time zone {name!r}; expected an IANA name such as Europe/Paris")
    return name
