"""Settings, routes and start: the only room that reads the environment."""
