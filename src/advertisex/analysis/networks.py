"""Networks of IP addresses, such as those of data centres, and which addresses are in them."""

from bisect import bisect_right
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from pathlib import Path

import polars as pl

from advertisex.errors import ConfigurationError
from advertisex.reasons import reason_of

#: The column that says what is known of an event's address, see `views.located`.
IP_KIND = "ip_kind"
#: What is known of an address: it is in one of the networks, in none of them, or the text is not an address.
INSIDE, OUTSIDE, INVALID = "data_centre", "other", "invalid"

_HINT = "write one network or address on each line: 192.0.2.0/24; # begins a comment"
_OCTET = r"(0|[1-9][0-9]{0,2})"


@dataclass(frozen=True)
class Networks:
    """Networks that do not overlap, in ascending order.

    Attributes:
        v4: the IPv4 networks.
        v6: the IPv6 networks.
        of: where they are from, for an answer.
        listed: number of networks in the list.
    """

    v4: tuple[IPv4Network, ...]
    v6: tuple[IPv6Network, ...]
    of: str
    listed: int

    def kinds(self, addresses: pl.Series) -> pl.Series:
        """Classify each address (String) as `INSIDE`, `OUTSIDE` or `INVALID` (String); null for null."""
        distinct = pl.DataFrame({"address": addresses.unique().drop_nulls()})
        octets = distinct["address"].str.extract_groups(rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$").struct.unnest()
        values = octets.select(pl.all().cast(pl.Int64))
        number = values.select(pl.fold(pl.lit(0, pl.Int64), lambda high, low: high * 256 + low, pl.all())).to_series()
        is_v4 = values.select(pl.all_horizontal((pl.all() <= 255).fill_null(value=False))).to_series()
        known = distinct.with_columns(kind=self._v4_kinds(number))
        others = known.filter(~is_v4)["address"]
        slow = pl.DataFrame(
            {"address": others, "slow": [self._kind(text) for text in others]},
            schema={"address": pl.String, "slow": pl.String},
        )
        kinds = (
            known.with_columns(pl.when(is_v4).then("kind"))
            .join(slow, on="address", how="left")
            .select("address", kind=pl.coalesce("kind", "slow"))
        )
        found = addresses.to_frame("address").join(kinds, on="address", how="left", maintain_order="left")
        return found["kind"].alias(addresses.name)

    def _v4_kinds(self, numbers: pl.Series) -> pl.Series:
        """What is known of IPv4 addresses, given as integers."""
        starts = pl.Series([int(network.network_address) for network in self.v4], dtype=pl.Int64)
        ends = pl.Series([-1, *(int(network.broadcast_address) for network in self.v4)], dtype=pl.Int64)
        before = starts.search_sorted(numbers.fill_null(-1), side="right")
        is_inside = (numbers <= ends.gather(before)).fill_null(value=False)
        return pl.select(pl.when(is_inside).then(pl.lit(INSIDE)).otherwise(pl.lit(OUTSIDE))).to_series()

    def _kind(self, text: str) -> str:
        """What is known of an address in any notation."""
        try:
            address = ip_address(text)
        except ValueError:
            return INVALID
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return INSIDE if _is_in(address, self.v4 if isinstance(address, IPv4Address) else self.v6) else OUTSIDE


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[IPv4Network, ...] | tuple[IPv6Network, ...]) -> bool:
    place = bisect_right(networks, int(address), key=lambda network: int(network.network_address))
    return place > 0 and int(address) <= int(networks[place - 1].broadcast_address)


def read_networks(path: Path) -> Networks:
    """Read a list of networks: one network, such as 192.0.2.0/24, or one address on each line; # begins a comment.

    Raises:
        ConfigurationError: the file cannot be read, contains something else, or nothing.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read the networks: {reason_of(error)}", where=str(path), hint=_HINT
        ) from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    networks = [_network(line, number, path) for number, line in enumerate(lines, 1) if line]
    if not networks:
        raise ConfigurationError("the list of networks is empty", where=str(path), hint=_HINT)
    v4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    return Networks(tuple(v4), tuple(v6), str(path), len(networks))


def _network(line: str, number: int, path: Path) -> IPv4Network | IPv6Network:
    try:
        return _unmapped(ip_network(line))
    except ValueError as error:
        address, _, prefix = line.partition("/")
        is_network = prefix and _is_network(line)
        why = f"{address} is not the first address of the network" if is_network else "not a network or an address"
        raise ConfigurationError(f"{line!r}: {why}", where=f"{path}, line {number}", hint=_HINT) from error


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4 network that is written as part of IPv6, as such: addresses are compared without their mapping.

    Raises:
        ValueError: the network is of one interface only.
    """
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id is not None:
        raise ValueError
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None or network.prefixlen < 96 else IPv4Network((mapped, network.prefixlen - 96))


def _is_network(line: str) -> bool:
    try:
        ip_network(line, strict=False)
    except ValueError:
        return False
    return True
