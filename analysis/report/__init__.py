"""The report of a sweep: one HTML file to read, to re-weigh and to listen to."""

from analysis.report.content import report_data
from analysis.report.page import render_page

__all__ = ["render_page", "report_data"]
