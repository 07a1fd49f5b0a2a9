"""Who learns from which samples, and the checks that no side has seen another."""
