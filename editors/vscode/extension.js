// Starts `nnspec lsp` and lets VS Code's language client talk to it.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = function () {
  const [command, ...args] = workspace.getConfiguration("nnspec").get("command");
  const server = { command, args };
  const options = { documentSelector: [{ scheme: "file", language: "nn" }] };
  client = new LanguageClient("nnspec", "nnspec", server, options);
  return client.start();
};

exports.deactivate = function () {
  return client ? client.stop() : undefined;
};
