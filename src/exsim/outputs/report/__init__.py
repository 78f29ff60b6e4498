"""The report of a run: one HTML page that holds everything, to read, to print and to mail."""

from .page import report_html, write_report

__all__ = ["report_html", "write_report"]
