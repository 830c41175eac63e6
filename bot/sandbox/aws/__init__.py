"""AWS on loopback: moto served over HTTP, made to behave like AWS where Signalbox depends on it."""

from bot.sandbox.aws.cloud import ClusterPort, Databases, Timings
from bot.sandbox.aws.server import AwsStandIn

__all__ = ["AwsStandIn", "ClusterPort", "Databases", "Timings"]
