"""An app with handlers for the tests, plugged in as a user's own app would be."""
