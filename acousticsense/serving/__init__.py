"""What requests share: loaded models, the queue, results kept for a while."""
