"""What each operation means: settings, shape rule, parameters, cost. One op or one tight family a file."""
