// Official clients of JavaScript against `infer serve`: node clients.mjs INFER MODEL
//
// Each embeds 100 texts; the vectors are those of `infer embed` to 1e-6. Errors are the client's own exceptions.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import OpenAI from "openai";
import { InferenceClient } from "@huggingface/inference";

const [infer, model] = process.argv.slice(2);
const KEY = "secret key of the tests";
const TEXTS = Array.from({ length: 100 }, (_, n) => `water bottle ${"with a lid ".repeat(n % 9)}no. ${n}`);

const lines = execFileSync(infer, ["embed", "--model", model, ...TEXTS], { encoding: "utf8" }).trim().split("\n");
const expected = lines.map((line) => JSON.parse(line).embedding);

function close(found) {
  assert.equal(found.length, expected.length);
  found.forEach((row, place) => {
    assert.equal(row.length, expected[place].length);
    row.forEach((value, column) => assert.ok(Math.abs(value - expected[place][column]) <= 1e-6));
  });
}

const options = ["--model", model, "--port", "0", "--api-key", KEY, "--payload-limit", "200000", "--max-queue-seconds", "0"];
const child = spawn(infer, ["serve", ...options], { stdio: ["ignore", "ignore", "pipe"] });
const url = await new Promise((resolve, reject) => {
  let log = "";
  child.stderr.on("data", (data) => {
    log += data;
    const ready = /ready: (http:\S+)/.exec(log);
    if (ready) resolve(ready[1]);
  });
  child.on("exit", () => reject(new Error(log)));
});

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
} finally {
  child.removeAllListeners("exit");
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
}
