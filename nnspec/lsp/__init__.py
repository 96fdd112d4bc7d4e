"""The language server (`nnspec lsp`): what an editor asks about a spec, answered from one analysis a version.

Only `server.py` knows of the protocol: `analysis.py`, `names.py`, `hover.py`, `complete.py`, `paint.py` and
`symbols.py` take a text and a place and give plain values.
"""
