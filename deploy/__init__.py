"""Runs Recordmill on one machine: a private Redis, and a supervisor for its processes."""
