"""What it costs: rows of the standard billing export, in windows of six hours, exported some hours after each ended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from brconsole.simulation.catalogue import PROJECTS
from brconsole.simulation.model import Project, UsageRow
from brconsole.simulation.noise import stream, uniforms

WINDOW_S = 6 * 3600
_DAY_S = 24 * 3600
_EPOCH_WEEKDAY = 3

_DAILY = {"dev": 18.87, "staging": 33.60, "prod": 188.80}
"""Dollars a day after credits: 84 % of dev's budget, half of staging's and 42 % of prod's are spent when the 23rd has
come to 14:00 UTC.
"""


@dataclass(frozen=True, slots=True)
class _Sku:
    service_id: str
    service: str
    sku_id: str
    sku: str
    share: float
    """Of what its project costs before credits."""
    busy: float
    """0: the same all week; 1: follows the office week fully."""
    credit: tuple[str, float] | None = None
    """Name of the credit and the share of the cost that it gives back."""


_CUD = "Committed use discounts: dollar-based"
_FREE = "Free tier"
_SKUS = (
    _Sku("152E-C115-5142", "Cloud Run", "D7B9-E2C7-EFA1", "CPU Allocation Time", 0.180, 0.8, (_CUD, 0.17)),
    _Sku("152E-C115-5142", "Cloud Run", "9FE2-9C21-7D9F", "Memory Allocation Time", 0.050, 0.8, (_CUD, 0.17)),
    _Sku("152E-C115-5142", "Cloud Run", "2DA5-55D3-E679", "Requests", 0.025, 1.0, (_FREE, 0.05)),
    _Sku(
        "9662-B51E-5089",
        "Cloud SQL",
        "0AA0-1F61-8FB6",
        "Cloud SQL for PostgreSQL: Regional - vCPU",
        0.140,
        0.0,
        (_CUD, 0.25),
    ),
    _Sku(
        "9662-B51E-5089",
        "Cloud SQL",
        "37C4-8A25-9C5D",
        "Cloud SQL for PostgreSQL: Regional - RAM",
        0.065,
        0.0,
        (_CUD, 0.25),
    ),
    _Sku(
        "9662-B51E-5089", "Cloud SQL", "6C1F-2B7E-40D1", "Cloud SQL for PostgreSQL: Regional - SSD storage", 0.030, 0.0
    ),
    _Sku("5AF5-2C11-D467", "Cloud Memorystore for Redis", "1B6D-03F3-7F2E", "Redis Capacity Standard M2", 0.055, 0.0),
    _Sku("C7E2-9256-1C43", "Vertex AI", "A121-50BE-7C3A", "Gemini Text Input - Predictions", 0.160, 0.9),
    _Sku("C7E2-9256-1C43", "Vertex AI", "5DA2-3F77-1CA5", "Gemini Text Output - Predictions", 0.130, 0.9),
    _Sku("5490-F7B7-8DF6", "Cloud Logging", "143F-A1B0-E0BE", "Log Storage cost", 0.055, 0.7, (_FREE, 0.12)),
    _Sku("149C-F9EC-3994", "Artifact Registry", "50C7-4A12-A7A8", "Artifact Registry Storage", 0.012, 0.0),
    _Sku("E505-1604-58F8", "Networking", "3E4C-9B4E-92D1", "Network Internet Data Transfer Out", 0.045, 0.8),
    _Sku("95FF-2EF5-5EA1", "Cloud Storage", "E5F0-6A5D-7BAD", "Standard Storage US Regional", 0.033, 0.0),
    _Sku("58CD-E7C3-72CA", "Cloud Monitoring", "1A4E-7F00-3B0D", "Monitoring API Requests", 0.012, 0.3, (_FREE, 0.30)),
    _Sku(
        "EE82-7A5E-871C",
        "Cloud Key Management Service (KMS)",
        "8F3B-5C29-11A4",
        "Active software symmetric key versions",
        0.008,
        0.0,
    ),
)
_NET = sum(sku.share * (1 - (sku.credit[1] if sku.credit else 0.0)) for sku in _SKUS)
_OFFICE_WEEK = (1.14, 1.16, 1.17, 1.15, 1.10, 0.66, 0.62)
_OFFICE_DAY = (0.62, 0.92, 1.36, 1.10)


class Spend:
    """The billing export of all projects."""

    def __init__(self, seed: int) -> None:
        self._keys = {project.id: stream(seed, "spend", project.id) for project in PROJECTS}

    def rows(self, project: Project, start: float, end: float) -> Iterator[UsageRow]:
        """The rows whose usage starts in [start, end), oldest first."""
        for window in range(math.ceil(start / WINDOW_S), math.ceil(end / WINDOW_S)):
            yield from self._window(project, window)

    def _window(self, project: Project, window: int) -> Iterator[UsageRow]:
        begin = float(window * WINDOW_S)
        weekday = (math.floor(begin / _DAY_S) + _EPOCH_WEEKDAY) % 7
        swing = _OFFICE_WEEK[weekday] * _OFFICE_DAY[window % 4]
        draws = uniforms(self._keys[project.id], window, len(_SKUS) + 1)
        exported = begin + WINDOW_S + 3600 * (2.0 + 3.0 * draws[-1])
        gross = _DAILY[project.environment] / 4 / _NET
        for sku, u in zip(_SKUS, draws, strict=False):
            cost = round(gross * sku.share * (1 + sku.busy * (swing - 1)) * (0.96 + 0.08 * u), 6)
            yield UsageRow(
                project=project.id,
                service_id=sku.service_id,
                service=sku.service,
                sku_id=sku.sku_id,
                sku=sku.sku,
                usage_start=begin,
                usage_end=begin + WINDOW_S,
                export_time=exported,
                cost=cost,
                currency="USD",
                credits=((sku.credit[0], -round(cost * sku.credit[1], 6)),) if sku.credit else (),
            )
