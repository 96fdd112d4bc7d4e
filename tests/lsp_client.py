"""A language client over stdio: JSON-RPC by hand, so that the server meets what an editor would send."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

PATIENCE = 180  # seconds


class Client:
    """Starts `nnspec lsp`, says hello, and sends requests; notifications that come meanwhile are kept."""

    def __init__(
        self,
        encodings: list[str] | None = None,
        *,
        refresh: bool = False,
        folder: Path | None = None,
        patience: float = PATIENCE,
        start: tuple[str, ...] = ("-m", "nnspec", "lsp", "--stdio"),
    ) -> None:
        """Says hello. `refresh`: hints and tokens are asked for anew when the server says so. `folder`: the
        workspace, where the server starts, as editors start it.
        """
        command = [sys.executable, *start]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        # A server that hangs fails a test, not the suite.
        self.watchdog = threading.Timer(patience, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()
        self.number = 0
        self.heard: list[dict[str, Any]] = []
        general = {"positionEncodings": encodings} if encodings else {}
        refreshed = {"inlayHint": {"refreshSupport": refresh}, "semanticTokens": {"refreshSupport": refresh}}
        capabilities = {"general": general, "workspace": refreshed, "textDocument": {"publishDiagnostics": {}}}
        root = folder.as_uri() if folder is not None else None
        hello = self.ask("initialize", processId=None, rootUri=root, capabilities=capabilities)
        self.abilities = hello["capabilities"]
        self.tell("initialized")

    def close(self) -> int:
        """The exit code after `shutdown` and `exit`."""
        self.ask("shutdown")
        self.tell("exit")
        code = self.process.wait(timeout=20)
        self.watchdog.cancel()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return code

    def tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request; AssertionError for an error."""
        self.number += 1
        shutdown = {} if method == "shutdown" else {"params": params}
        self._send({"id": self.number, "method": method, **shutdown})
        while True:
            message = self._read()
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        """Keeps a notification; a request of the server is granted."""
        self.heard.append(message)
        if "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})

    def await_(self, method: str) -> dict[str, Any]:
        """The next message of the server with this method."""
        while True:
            for message in self.heard:
                if message.get("method") == method:
                    self.heard.remove(message)
                    return message
            self._hear(self._read())

    def open(self, path: Path, text: str) -> str:
        """Opens a document; its URI."""
        uri = path.as_uri()
        self.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "nn", "version": 1, "text": text})
        return uri

    def shut(self, uri: str) -> None:
        """Closes a document."""
        self.tell("textDocument/didClose", textDocument={"uri": uri})

    def change(self, uri: str, version: int, text: str) -> None:
        document = {"uri": uri, "version": version}
        self.tell("textDocument/didChange", textDocument=document, contentChanges=[{"text": text}])

    def at(self, method: str, uri: str, line: int, character: int, **more: Any) -> Any:
        position = {"line": line, "character": character}
        return self.ask(f"textDocument/{method}", textDocument={"uri": uri}, position=position, **more)

    def diagnostics(self, uri: str, version: int | None = None) -> list[dict[str, Any]]:
        """What is published next for a document (of a version)."""
        while True:
            kept = [m for m in self.heard if m.get("method") == "textDocument/publishDiagnostics"]
            for message in kept:
                params = message["params"]
                self.heard.remove(message)
                if params["uri"] == uri and version in (None, params.get("version")):
                    found: list[dict[str, Any]] = params["diagnostics"]
                    return found
            self._hear(self._read())

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server has gone"
        found: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return found
