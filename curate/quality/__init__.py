"""How good a signal is: indices, the calibrated rule, leads that look swapped."""
