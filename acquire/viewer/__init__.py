"""All that the recording app knows and does, without a window: what it shows can be tested and followed without Qt."""
