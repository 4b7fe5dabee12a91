"""Tests; they mirror the rooms of the project. `make test` runs them on both databases."""
