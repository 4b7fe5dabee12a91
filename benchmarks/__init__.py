"""Measures Recordmill against a bare loop and other queues: `make bench`, docs/performance.md.

Also an app with handlers, plugged into the measured installation as a user's own app would be
(HANDLER_APPS=benchmarks). Entry point: `python -m benchmarks --help`.
"""
