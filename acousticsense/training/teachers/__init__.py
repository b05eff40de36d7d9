"""Networks that already heard real music: sources of features and soft labels, and the peers to beat."""
