// Stock event stream clients against a running site: Chromium's own EventSource, and the npm package "eventsource"
// in Node. Each hears the same posts; the connections are cut and come back with Last-Event-ID. Prints one JSON
// line for each client: the texts it heard, in order.

import { createServer, connect } from "node:net";
import { launch } from "./site.mjs";
import { EventSource } from "eventsource";

const [base, cookie, executablePath, count] = process.argv.slice(2);
const target = new URL(base);
const want = Number(count);

// A proxy in between, so that connections can be cut without anybody's doing.
const open = new Set();
const proxy = createServer((client) => {
  const server = connect(Number(target.port), target.hostname);
  client.pipe(server).pipe(client);
  for (const s of [client, server]) { open.add(s); s.on("error", () => {}); s.on("close", () => { open.delete(s); client.destroy(); server.destroy(); }); }
});
await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
const through = `http://127.0.0.1:${proxy.address().port}`;

const heard = { node: [], chromium: [] };
let done;
const finished = new Promise((resolve) => { done = resolve; });
function hear(client, data) {
  const event = JSON.parse(data);
  heard[client].push({ id: event.id, text: event.data.text });
  if (heard.node.length >= want && heard.chromium.length >= want) done();
}

// Node's client: headers through its fetch.
const node = new EventSource(through + "/v1/events?posts=all", {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Cookie: cookie } }),
});
const nodeReady = new Promise((resolve) => node.addEventListener("ready", resolve, { once: true }));
node.addEventListener("post.created", (e) => hear("node", e.data));

// The browser's.
const browser = await launch(executablePath);
try {
  const [name, value] = cookie.split("=");
  const context = await browser.newContext();
  await context.addCookies([{ name, value, url: through }]);
  const page = await context.newPage();
  await page.exposeFunction("hear", (data) => hear("chromium", data));
  await page.goto(through + "/assets/bell.svg"); // a document of the site whose policy allows connections to it
  await page.evaluate(() => new Promise((resolve) => {
    const source = new EventSource("/v1/events?posts=all");
    source.addEventListener("ready", resolve, { once: true });
    source.addEventListener("post.created", (e) => window.hear(e.data));
  }));
  await nodeReady;
  console.log("ready");
  const cuts = [1, 2].map((n) => new Promise((cut) => {
    const check = setInterval(() => {
      if (heard.node.length >= n * want / 3 && heard.chromium.length >= n * want / 3) {
        clearInterval(check);
        for (const s of open) s.destroy();
        cut();
      }
    }, 5);
  }));
  await Promise.all([...cuts, finished]);
  for (const [client, list] of Object.entries(heard)) console.log(JSON.stringify({ client, list }));
} finally {
  node.close();
  await browser.close();
  proxy.close();
  for (const s of open) s.destroy();
}
