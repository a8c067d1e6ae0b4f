"""The settings file of a test on servers: topics, indices and a group of its own."""

import json
from collections.abc import Mapping

_SETTINGS = """
log = {kafka}
store.url = {elasticsearch}
{more}
[kafka]
group = "{name}"
partitions = {partitions}
client = {{ {client} }}
[elasticsearch]
prefix = "{name}-"
{api_key}
[feeds.impressions]
topic = "{name}-impressions"
[feeds.clicks]
topic = "{name}-clicks"
[feeds.bids]
topic = "{name}-bids"
"""
#: Members that were killed leave the group soon.
_CLIENT = {"session.timeout.ms": "2500", "heartbeat.interval.ms": "500"}


def cluster_settings(
    name: str,
    kafka: str,
    elasticsearch: str,
    *,
    partitions: int,
    more: str = "",
    client: Mapping[str, str] | None = None,
    api_key: str = "",
) -> str:
    """Return the text of the file.

    Args:
        name: begins the names of topics and indices.
        kafka: URL of the log.
        elasticsearch: URL of the store.
        partitions: of each topic.
        more: further settings, before the first table.
        client: further properties of Kafka clients.
        api_key: that of Elasticsearch; empty: none.
    """
    properties = ", ".join(
        f"{json.dumps(key)} = {json.dumps(value)}" for key, value in (_CLIENT | dict(client or {})).items()
    )
    return _SETTINGS.format(
        name=name,
        kafka=json.dumps(kafka),
        elasticsearch=json.dumps(elasticsearch),
        partitions=partitions,
        more=more,
        client=properties,
        api_key=f"api_key = {json.dumps(api_key)}" if api_key else "",
    )
