"""A sweep as one HTML page: diagrams to ask, trajectories, and what made them. It needs no network and no server."""

from adam_vs_gd.report.report import page, show, write

__all__ = ["page", "show", "write"]
