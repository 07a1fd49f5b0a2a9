"""From the corpus to the network: DT4ECG and its baseline, training, evaluation, reports."""
