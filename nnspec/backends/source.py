"""Python source, built safely: lines with indentation, quoted literals, allow-listed identifiers."""
