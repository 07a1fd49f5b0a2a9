"""What a subject does: protocol scripts, the vocabulary of activities, and the player that walks through a script."""
