"""Where the heart beats: detectors and their combination, rhythm, waves."""
