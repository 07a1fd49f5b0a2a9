"""From the recording to the corpus: import, cleaning, beats, quality, label layers, splits, the corpus and its card."""
