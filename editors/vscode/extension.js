// Starts `nnspec lsp` and lets VS Code's language client talk to it.
const { window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = async function () {
  const [command, ...args] = workspace.getConfiguration("nnspec").get("command");
  const server = { command, args };
  const options = {
    documentSelector: [{ scheme: "file", language: "nn" }],
    synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.nn") },
  };
  client = new LanguageClient("nnspec", "nnspec", server, options);
  try {
    await client.start();
  } catch (error) {
    const help = 'pip install "nnspec[lsp]", then name the command in nnspec.command';
    window.showErrorMessage(`${command} did not start (${error.message}): ${help}`);
  }
};

exports.deactivate = function () {
  return client && client.isRunning() ? client.stop() : undefined;
};
