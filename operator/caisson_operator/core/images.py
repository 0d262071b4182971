"""The images that the chart names for the engines and for the servers of ids. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Images:
    """Members that run another one are updated one by one."""

    postgres: str
    redis: str
    zookeeper: str
    ids: str
