"""What requests share: one parser, the queue, loaded models, results kept for a while."""
