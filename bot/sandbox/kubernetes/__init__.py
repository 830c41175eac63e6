"""Kubernetes for the sandbox: an API server with simulated controllers, one per Region."""

from __future__ import annotations

from bot.sandbox.kubernetes.cluster import Cluster
from bot.sandbox.kubernetes.containers import ContainerResult, ContainerRun, PodView
from bot.sandbox.kubernetes.controllers.plane import Timings
from bot.sandbox.kubernetes.server import AuditEntry

__all__ = ["AuditEntry", "Cluster", "ContainerResult", "ContainerRun", "PodView", "Timings"]
