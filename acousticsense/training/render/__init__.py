"""Music whose genre is known because we made it, and sounds that are not music."""
