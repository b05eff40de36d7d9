"""Networks that were trained on much real music: sources of features and soft labels, and the peers to beat."""
