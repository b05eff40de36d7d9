"""Networks that are trained, and the networks that users get, which compute the same."""
