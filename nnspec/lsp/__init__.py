"""The language server (`nnspec lsp`): what an editor asks about a spec, answered without waiting for an analysis.

`server.py` and `session.py` alone know of the protocol. `documents.py` keeps the open files and analyses them on a
thread; `memory.py` keeps what an edit leaves unchanged, `moves.py` says where it stands now. `analysis.py`, `facts.py`,
`names.py`, `rename.py`, `hover.py`, `complete.py`, `paint.py` and `symbols.py` take a text and a place and give plain
values.
"""
