// Holds the TextMate grammar to what the language server paints, on every spec given:
//
//   npm install --no-save vscode-textmate vscode-oniguruma
//   python ../generate.py --tokens ../../examples/*.nn | node grammar.mjs
//
// Comments, strings, numbers, keywords, operators, types and the functions of nnspec must have the scope of their kind.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import oniguruma from "vscode-oniguruma";
import textmate from "vscode-textmate";

const require = createRequire(import.meta.url);
const SCOPES = {
  comment: /^comment\./,
  string: /^(string\.|constant\.character)/,
  number: /^constant\./,
  keyword: /^(keyword\.|constant\.language)/,
  operator: /^keyword\.operator/,
  type: /^support\.type/,
  function: /^support\.function/,
};

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => JSON.parse(readFileSync(new URL("syntaxes/nn.tmLanguage.json", import.meta.url), "utf8")),
});
const grammar = await registry.loadGrammar("source.nn");

let checked = 0;
const wrong = [];
for (const { path, text, tokens } of JSON.parse(readFileSync(0, "utf8"))) {
  let stack = textmate.INITIAL;
  const scoped = text.split("\n").map((line) => {
    const found = grammar.tokenizeLine(line, stack);
    stack = found.ruleStack;
    return found.tokens;
  });
  for (const [line, column, length, kind, library] of tokens) {
    const token = scoped[line - 1].find((t) => t.startIndex <= column - 1 && column - 1 < t.endIndex);
    const scopes = token.scopes.slice(1);
    const expected = kind === "function" && !library ? undefined : SCOPES[kind];
    const bad = scopes.some((s) => s.startsWith("invalid")) || (expected && !scopes.some((s) => expected.test(s)));
    checked += 1;
    if (bad) {
      const word = text.split("\n")[line - 1].slice(column - 1, column - 1 + length);
      wrong.push(`${path}:${line}:${column}: ${word} is a ${kind}, painted as ${scopes.join(" ") || "nothing"}`);
    }
  }
}
console.log(wrong.slice(0, 40).join("\n"));
console.log(`${checked} tokens, ${wrong.length} wrong`);
process.exit(wrong.length ? 1 : 0);
