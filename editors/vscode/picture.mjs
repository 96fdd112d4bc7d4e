// docs/img/vscode.png: a spec in VS Code, with an error just typed and the step under the mouse.
//
//   npm install --no-save code-server puppeteer-core          (and chromium)
//   code-server --auth none --bind-addr 127.0.0.1:8377 --install-extension nnspec-0.1.0.vsix
//   code-server --auth none --bind-addr 127.0.0.1:8377
//   node picture.mjs ../../examples lenet5.nn ../../docs/img/vscode.png
//
// It looks at what it photographs, and fails where shapes, the error, its fix or the hover are missing.
import { resolve } from "node:path";
import puppeteer from "puppeteer-core";

const [folder, file, picture] = process.argv.slice(2);
const address = `http://127.0.0.1:8377/?folder=${resolve(folder)}`;
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
  defaultViewport: { width: 1180, height: 880 },
});
const page = await browser.newPage();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const shown = () => page.$$eval(".view-line", (lines) => lines.map((l) => l.textContent.replaceAll("\u00a0", " ")));

async function until(what, holds) {
  for (let waited = 0; waited < 30_000; waited += 250) {
    if (await holds()) return console.log("seen:", what);
    await pause(250);
  }
  await page.screenshot({ path: picture });
  throw new Error(`not seen: ${what}`);
}

async function keys(...names) {
  for (const name of names) await page.keyboard.down(name);
  for (const name of names.reverse()) await page.keyboard.up(name);
}

async function line(number) {
  await keys("Control", "KeyG");
  await page.waitForSelector(".quick-input-widget input");
  await page.keyboard.type(String(number));
  await page.keyboard.press("Enter");
  await pause(300);
}

// The mouse goes to a word, the first of those that are shown.
async function over(word) {
  const place = await page.evaluate((word) => {
    const spans = [...document.querySelectorAll(".view-line span span")];
    const box = spans.find((s) => s.textContent.trim() === word).getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  }, word);
  await page.mouse.move(0, 0);
  await page.mouse.move(...place, { steps: 5 });
}

await page.goto(address, { waitUntil: "domcontentloaded" });
const row = await page.waitForSelector(`.monaco-list-row[aria-label^="${file}"]`, { timeout: 60_000 });
await row.click({ count: 2 });
await pause(500);
await keys("Control", "KeyB"); // the side bar is not what the picture is of
await until("shapes behind the steps", async () => (await shown()).some((l) => /flatten.{0,3}\[400\]/.test(l)));
await until("colours of meanings", () => page.$(".view-line .mtk1"));

const lines = await shown();
const number = lines.findIndex((l) => l.includes("dense(84)")) + 1;
await line(number);
await keys("End");
await page.keyboard.type(" -> rellu");
await until("a wavy line under the error", () => page.$(".squiggly-error"));
await until("a fix in the list", async () => {
  await keys("Control", ".");
  await pause(900);
  const list = await page.$$eval(".action-widget .monaco-list-row", (rows) => rows.map((r) => r.textContent));
  await page.keyboard.press(list.some((l) => l.includes("write relu")) ? "Enter" : "Escape");
  return list.some((l) => l.includes("write relu"));
});
await until("the error is gone", async () => !(await page.$(".squiggly-error")));
await until("the fix is made", async () => (await shown()).some((l) => /dense.84.*relu.{0,3}\[84\]/.test(l)));

await page.keyboard.type(" -> rellu");
await until("the error again", () => page.$(".squiggly-error"));
await over("conv");
await until("the hover", async () => {
  const text = await page.$$eval(".monaco-hover", (found) => found.map((h) => h.textContent).join());
  return text.includes("receptive field") && text.includes("parameters");
});
await pause(500);
await page.screenshot({ path: picture });
await browser.close();
