"""From file to value: configs, model files, evidence."""
