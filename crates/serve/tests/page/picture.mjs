// The picture of the page in the docs: node picture.mjs URL CHROMIUM OUTPUT.png
//
// URL is a service with an index of datasets/products.tsv by all-mpnet-base-v2.
import { chromium } from "playwright-core";

const [url, executablePath, path] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 600 } });
await page.goto(`${url}/?q=espresso+at+home&mode=compare`);
await page.screenshot({ path });
await browser.close();
