"""Sample handlers and data: how an app of one's own uses Recordmill."""
