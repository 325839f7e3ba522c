// The page in a real browser: node page.mjs INFER INDEX CHROMIUM AXE [SCREENSHOTS], as `service_page` of .ci/tools.sh calls it.
// AXE is the file of axe-core.
//
// INDEX holds datasets/products.tsv and hostile.tsv with title and description, and brand to filter by.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [infer, index, executablePath, axePath, screenshots] = process.argv.slice(2);
const axe = readFileSync(axePath, "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

async function serve() {
  const child = spawn(infer, ["serve", "--index", index, "--port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const url = await new Promise((resolve, reject) => {
    child.stderr.on("data", (data) => {
      log += data;
      const ready = /ready: (http:\S+)/.exec(log);
      if (ready) resolve(ready[1]);
    });
    child.on("exit", () => reject(new Error(log)));
  });
  return { child, url };
}

const { child, url } = await serve();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

// A page that fails the test where a script of a product runs or something breaks the policy.
async function open(options = {}) {
  const context = await browser.newContext({ baseURL: url, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("dialog", (dialog) => { page.faults.push(dialog.message()); dialog.dismiss(); });
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) page.faults.push(message.text());
  });
  return page;
}

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

const titles = (page) => page.locator(".list h3").allTextContents();
const query = (page) => new URL(page.url()).searchParams;

async function type(page, text) {
  await page.locator("#q").fill("");
  await page.locator("#q").pressSequentially(text, { delay: 20 });
}

const tests = {
  async "hits come while somebody types, and the address says what is shown"() {
    const page = await open();
    await page.goto("/");
    assert.equal(await page.locator(".list").count(), 0);
    await type(page, "projector lamp");
    await page.locator(".list h3").first().waitFor();
    await page.waitForURL(/q=projector\+lamp/);
    assert.match((await titles(page))[0], /lamp/i);
    await page.locator("#status", { hasText: "projector lamp" }).waitFor();
    assert.ok((await page.locator("mark").count()) > 0);
    const shown = await titles(page);
    await page.reload();
    assert.deepEqual(await titles(page), shown);
    const shared = await open();
    await shared.goto(page.url());
    assert.deepEqual(await titles(shared), shown);
    await close(shared);
    await close(page);
  },

  async "the last query wins, whichever answer comes first"() {
    const page = await open();
    await page.goto("/");
    await page.route(/results\?q=keyboard$/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await route.continue().catch(() => {});
    });
    const slow = page.waitForRequest(/results\?q=keyboard$/);
    await page.locator("#q").fill("keyboard");
    await slow;
    await page.locator("#q").fill("projector");
    await page.locator(".list h3", { hasText: /projector/i }).first().waitFor();
    const shown = await titles(page);
    await page.waitForTimeout(2000);
    assert.deepEqual(await titles(page), shown);
    assert.equal(query(page).get("q"), "projector");
    await close(page);
  },

  async "values narrow the hits, and back leads back"() {
    const page = await open();
    await page.goto("/?q=projector");
    const all = await titles(page);
    await page.locator(".facets a", { hasText: "Sony" }).click();
    await page.waitForURL(/in\.brand=Sony/);
    for (const fact of await page.locator(".facts").allTextContents()) assert.match(fact, /brand: Sony/);
    // The other brands stay to choose from.
    assert.equal(await page.locator(".facets a[aria-current]").count(), 1);
    assert.ok((await page.locator(".facets a").count()) > 1);
    await page.goBack();
    assert.deepEqual(await titles(page), all);
    await page.locator(".facts a").first().click();
    await page.waitForURL(/like=/);
    assert.ok((await page.locator(".like").textContent()).startsWith("Like:"));
    await close(page);
  },

  async "three rankings side by side"() {
    const page = await open();
    await page.goto("/?q=projector+lamp");
    await page.getByLabel("Rank by").selectOption("compare");
    await page.locator(".list").nth(2).waitFor();
    const heads = await page.locator(".list h2").allTextContents();
    assert.deepEqual(heads.map((head) => head.replace(/ \d+ ms/, "")), ["Words", "Meaning", "Both"]);
    if (screenshots) await page.screenshot({ path: `${screenshots}/compare.png` });
    await close(page);
  },

  async "it works without JavaScript"() {
    const page = await open({ javaScriptEnabled: false });
    await page.goto("/");
    await page.locator("#q").fill("projector lamp");
    await page.locator("button").click();
    await page.waitForURL(/q=projector\+lamp/);
    assert.match((await titles(page))[0], /lamp/i);
    await page.locator(".facets a").first().click();
    await page.waitForURL(/in\.brand=/);
    await close(page);
  },

  async "the keyboard is enough"() {
    const page = await open();
    await page.goto("/");
    await page.keyboard.press("Tab");
    await page.keyboard.type("projector lamp");
    await page.keyboard.press("Enter");
    await page.locator(".list h3").first().waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "q");
    for (let steps = 0; steps < 20; steps += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement.closest(".facets") !== null)) break;
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(/in\.brand=/);
    await close(page);
  },

  async "products cannot run scripts"() {
    const page = await open();
    await page.goto("/");
    await type(page, "hostile");
    await page.locator(".list h3", { hasText: "<script>" }).first().waitFor();
    await page.goto("/?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%3E%3Cimg+src%3Dx+onerror%3Dalert(2)%3E&in.brand=%22%3E%3Cb%3E");
    assert.equal(await page.locator("main script, main img, main b").count(), 0);
    await close(page);
  },

  async "nothing is in the way of assistive programs"() {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [320, 1280]) {
        const page = await open({ colorScheme, viewport: { width, height: 800 } });
        for (const path of ["/", "/?q=projector+lamp", "/?q=projector+lamp&mode=compare", "/?q=x&in.brand=none"]) {
          await page.goto(path);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
          assert.equal(wide, false, `${path} is wider than ${width} px`);
          // Through the debugger: the policy of the page forbids it to the page alone.
          const found = await page.evaluate(`${axe}; axe.run({ runOnly: ${JSON.stringify(TAGS)} })`);
          const faults = found.violations.map((fault) => [fault.id, fault.nodes.map((node) => node.html)]);
          assert.deepEqual(faults, [], `${path} at ${width} px, ${colorScheme}`);
          if (screenshots && path === "/?q=projector+lamp") {
            await page.screenshot({ path: `${screenshots}/${colorScheme}-${width}.png` });
          }
        }
        await close(page);
      }
    }
  },

  // The last one: it ends the server.
  async "a server that is gone is no empty page"() {
    const page = await open();
    await page.goto("/?q=projector");
    const shown = await titles(page);
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    await once(child, "exit");
    await type(page, "keyboard");
    await page.locator("#alert", { hasText: "The server does not answer" }).waitFor();
    assert.deepEqual(await titles(page), shown);
    await close(page);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
  }
}
await browser.close();
child.kill("SIGKILL");
process.exit(failed === 0 ? 0 : 1);
