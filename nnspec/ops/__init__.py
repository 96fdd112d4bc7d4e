"""What every operation means: settings, shape rule, parameters, cost; the names of the language."""
