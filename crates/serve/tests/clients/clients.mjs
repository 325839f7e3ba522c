// Official clients of JavaScript against `infer serve`: node clients.mjs INFER MODEL
//
// Each embeds 100 texts; the vectors are those of `infer embed` to 1e-6. Errors are the client's own exceptions.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import OpenAI from "openai";
import { InferenceClient } from "@huggingface/inference";

const [infer, model] = process.argv.slice(2);
const KEY = "secret key of the tests";
const TEXTS = Array.from({ length: 100 }, (_, n) => `water bottle ${"with a lid ".repeat(n % 9)}no. ${n}`);

function embedded(texts) {
  const lines = execFileSync(infer, ["embed", "--model", model, ...texts], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => JSON.parse(line).embedding);
}

const all = embedded(TEXTS);

function close(found, expected = all) {
  assert.equal(found.length, expected.length);
  found.forEach((row, place) => {
    assert.equal(row.length, expected[place].length);
    row.forEach((value, column) => assert.ok(Math.abs(value - expected[place][column]) <= 1e-6));
  });
}

async function serve(...options) {
  const service = ["serve", "--model", model, "--port", "0", ...options];
  const child = spawn(infer, service, { stdio: ["ignore", "ignore", "pipe"] });
  const url = await new Promise((resolve, reject) => {
    let log = "";
    child.stderr.on("data", (data) => {
      log += data;
      const ready = /ready: (http:\S+)/.exec(log);
      if (ready) resolve(ready[1]);
    });
    child.on("exit", () => reject(new Error(log)));
  });
  const stop = async () => {
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
  };
  return { url, stop };
}

// Runs the block of the guide for a package, which leaves its vectors in `vectors`.
async function runSnippet(name, address) {
  const guide = readFileSync(new URL("../../../../docs/src/guides/serve.md", import.meta.url), "utf8");
  const blocks = [...guide.matchAll(/^```js\n(.*?)^```/gms)].map(([, block]) => block);
  const own = blocks.filter((block) => block.includes(`from "${name}"`));
  assert.equal(own.length, 1, name);
  // There it finds the packages.
  const file = new URL("node_modules/.snippet.mjs", import.meta.url);
  writeFileSync(file, `${own[0].replace("http://127.0.0.1:8080", address)}\nexport { vectors };\n`);
  try {
    // Each is a module of its own.
    close((await import(`${file}?${encodeURIComponent(name)}`)).vectors, embedded(["steel bottle", "smart speaker"]));
  } finally {
    rmSync(file);
  }
}

const { url, stop } = await serve("--api-key", KEY, "--payload-limit", "200000", "--max-queue-seconds", "0");

// Bulk requests that fill the queue while something is tried.
async function overloaded(call) {
  let stop = false;
  const body = JSON.stringify({ inputs: Array(2000).fill("a bottle that keeps drinks cold for a day") });
  const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}` };
  const senders = Array.from({ length: 4 }, async () => {
    while (!stop) await fetch(`${url}/embed`, { method: "POST", body, headers }).then((answer) => answer.text());
  });
  try {
    for (let tries = 0; tries < 2000; tries += 1) await call();
  } finally {
    stop = true;
    await Promise.all(senders);
  }
}

const refused = (call, status, type) =>
  assert.rejects(call, (error) => {
    const found = error.status ?? error.httpResponse?.status;
    assert.equal(found, status, String(error));
    assert.match(error.constructor.name, type);
    return true;
  });

try {
  const openai = (apiKey = KEY) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  const create = (input, client = openai()) => client.embeddings.create({ model: "any", input });
  close((await create(TEXTS)).data.map((item) => item.embedding));
  await refused(() => create("a", openai("wrong")), 401, /AuthenticationError/);
  await refused(() => create("a".repeat(300_000)), 413, /APIError/);
  await refused(() => create([1, 2, 3]), 422, /UnprocessableEntityError/);
  await refused(() => overloaded(() => create(Array(9).fill("a"))), 429, /RateLimitError/);
  console.log("ok: openai");

  const huggingface = (key = KEY) => new InferenceClient(key).endpoint(url);
  const extract = (inputs, client = huggingface()) => client.featureExtraction({ inputs });
  close(await extract(TEXTS));
  await refused(() => extract("a", huggingface("wrong")), 401, /Inference.*Error/);
  await refused(() => extract("a".repeat(300_000)), 413, /Inference.*Error/);
  await refused(() => extract([]), 422, /Inference.*Error/);
  await refused(() => overloaded(() => extract(Array(9).fill("a"))), 429, /Inference.*Error/);
  console.log("ok: @huggingface/inference");

  const open = await serve();
  try {
    for (const name of ["openai", "@huggingface/inference"]) await runSnippet(name, open.url);
    console.log("ok: the guide's blocks");
  } finally {
    await open.stop();
  }
} finally {
  await stop();
}
