// Drives the package app/web/client, as /belfry.js, in many tabs of a real Chromium, behind a proxy that can cut, fail and
// count. What onEvent was given in each tab is held against the log: every event after the tab's position, once and in
// order. Prints a line for each step and ends with "done".
//
// Called by go test with the site's address, the address that the proxy takes, a person's token and name, another's
// token, the browser and a seed; OPERATOR restarts the site, BELFRY_ADMIN has its metrics.

import { createServer, request } from "node:http";
import { launch } from "./site.mjs";

const [site, address, reader, name, writer, executablePath, seed] = process.argv.slice(2);
const password = "correct horse battery";
const at = `http://${address}`;
let admin = process.env.BELFRY_ADMIN; // another one after each restart
const step = (text) => console.log(text);
const check = (ok, what) => { if (!ok) throw new Error(what); };
const later = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, ask) {
  const end = Date.now() + 60_000;
  for (let got; ; await later(100)) {
    if (await ask((x) => { got = x; return x; })) return;
    if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(got)}`);
  }
}

// --- the proxy ---

const script = await fetch(site + "/belfry.js").then((r) => r.text());
const fail = { all: false, stream: false }; // what is answered 502
const asked = []; // [path, status] of what came to the API
const open = new Set();
const page = `<!doctype html><title>tab</title><script type="module">
import { connect } from "/belfry.js";
const options = Object.fromEntries(new URLSearchParams(location.search));
window.heard = []; window.states = []; window.gaps = [];
for (;;) {
  const answer = await fetch("/v1/notifications/counts").catch(() => null);
  if (answer?.ok) { window.cursor = answer.headers.get("Belfry-Cursor"); break; }
  await new Promise((done) => setTimeout(done, 100));
}
window.connection = connect({ posts: "all", after: options.now ? undefined : cursor, hidden: +options.hidden || 0,
  onEvent: (e) => { if (e.type === "post.created") heard.push(e.id); if (e.data.text === "poison") throw new Error("poison"); },
  onGap: (g) => gaps.push(g), onState: (s) => states.push(s) });
</script>`;

const proxy = createServer((q, a) => {
  const path = q.url.split("?")[0];
  if (path === "/tab") return void a.setHeader("Content-Type", "text/html").end(page);
  if (path === "/belfry.js") return void a.setHeader("Content-Type", "text/javascript").end(script);
  const bad = () => { asked.push([path, 502]); a.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad gateway</h1>"); };
  if (fail.all || (fail.stream && path === "/v1/events")) return bad();
  const on = request(site + q.url, { method: q.method, headers: q.headers, agent: false }, (got) => {
    asked.push([path, got.statusCode]);
    a.writeHead(got.statusCode, got.headers);
    got.pipe(a);
    got.on("error", () => a.destroy());
  });
  on.on("error", () => { if (a.headersSent) a.destroy(); else bad(); });
  a.on("close", () => on.destroy());
  q.pipe(on);
});
proxy.on("connection", (s) => { open.add(s); s.on("close", () => open.delete(s)); });
proxy.keepAliveTimeout = 0;
await new Promise((ready) => proxy.listen(+address.split(":")[1], "127.0.0.1", ready));
const cut = () => open.forEach((s) => s.destroy());

// --- the people ---

let number = 0, made = 0;
async function post(text = `post ${++number}`) {
  const answer = await fetch(site + "/v1/posts", { method: "POST", body: JSON.stringify({ text }),
    headers: { Authorization: `Bearer ${writer}`, "Content-Type": "application/json" } });
  check(answer.status === 201, `post: ${answer.status}`);
  made++;
}
const posts = async (n) => { for (let i = 0; i < n; i++) await post(); };

/** The ids of everything in the log that is for the reader, once each post is there. */
async function log() {
  let ids;
  await until("the log", async (got) => got((ids = await read()).length) >= made);
  return ids;
}
async function read() {
  const ids = [];
  for (let next = "oldest", more = true; more;) {
    const answer = await fetch(`${site}/v1/events?posts=all&limit=100&after=${next}`,
      { headers: { Authorization: `Bearer ${reader}`, Accept: "application/json" } });
    const body = await answer.json();
    ids.push(...body.items.filter((e) => e.type === "post.created").map((e) => e.id));
    ({ next, more } = body);
  }
  return ids;
}
const seq = (id) => Number(id.split("-")[1]);

const browser = await launch(executablePath);
const problems = [];

async function signIn() {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    window.unseen = false;
    Object.defineProperty(document, "visibilityState", { get: () => (window.unseen ? "hidden" : "visible") });
    window.see = (yes) => { window.unseen = !yes; document.dispatchEvent(new Event("visibilitychange")); };
  });
  const answer = await context.request.post(at + "/v1/auth/login", { data: { login: name, password } });
  check(answer.ok(), `login: ${answer.status()}`);
  return context;
}

let tabs = [];
async function tab(context, query = "") {
  const p = await context.newPage();
  p.on("pageerror", (err) => { if (err.message !== "poison") problems.push(err.message); });
  await p.goto(`${at}/tab?${query}`);
  await p.waitForFunction(() => window.connection);
  p.cdp = await context.newCDPSession(p);
  tabs.push(p);
  return p;
}
async function shut(p) {
  tabs = tabs.filter((x) => x !== p);
  await p.close();
}

/** Waits until each tab has heard the newest event, and compares. */
async function settle(what, which = tabs) {
  const all = await log();
  await Promise.all(which.map(async (p, i) => {
    const cursor = await p.evaluate(() => window.cursor);
    const want = all.filter((id) => seq(id) > seq(cursor)).join(" ");
    await until(`${what}: tab ${i} wants ${want}`, async (got) => {
      const have = got((await p.evaluate(() => window.heard)).join(" "));
      return have.endsWith(want.split(" ").at(-1));
    });
    const have = (await p.evaluate(() => window.heard)).join(" ");
    // Who asked for what comes from now on goes on from where the shared connection stands, which may be a little earlier.
    const now = p.url().includes("now") && have.endsWith(want) && all.join(" ").endsWith(have);
    check(have === want || now, `${what}: tab ${i}\n heard ${have}\n wants ${want}`);
    check(await p.evaluate(() => gaps.length === 0), `${what}: tab ${i} was told of a gap`);
  }));
  step(what);
}

const streams = async () => +/belfry_sse_connections(?:\{[^}]*\})? (\d+)/.exec(
  await fetch(admin + "/metrics").then((r) => r.text()))[1];
const one = (what) => until(`${what}: streams`, async (got) => got(await streams()) === 1);
const leads = (p) => p.evaluate(async () => (await navigator.locks.query()).held.map((l) => l.clientId)[0]).then(async (id) => {
  for (const x of tabs) if (await x.evaluate(async () => (await new Promise((done) => navigator.locks.request("who" + Math.random(),
    async () => done((await navigator.locks.query()).held.find((l) => l.name.startsWith("who")).clientId))))) === id) return x;
});
const lead = async () => {
  let found;
  await until("a tab leads", async () => (found = await leads(tabs[0])));
  return found;
};
const restart = async () => { admin = await fetch(process.env.OPERATOR).then((r) => r.text()); };

const journeys = {
  async "ten tabs share one connection"() {
    const context = await signIn();
    for (let i = 0; i < 10; i++) { await tab(context); await post(); }
    await posts(5);
    await settle("ten tabs hear each event once");
    await one("ten tabs");
    check((await tabs[9].evaluate(() => fetch("/v1/me").then((r) => r.status))) === 200, "the tenth tab gets no answer");
    for (const p of tabs.slice(3)) await shut(p);

    await post("poison"); // onEvent throws
    await posts(2);
    await settle("what onEvent throws stops nothing");
  },

  async "the lead moves"() {
    await Promise.all([posts(8), shut(await lead())]);
    await settle("the leader closes");
    await one("the leader closed");

    const frozen = await lead();
    await tab(tabs[0].context());
    await frozen.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    await posts(4);
    await settle("the leader freezes, and another leads", tabs.filter((x) => x !== frozen));
    await frozen.cdp.send("Page.setWebLifecycleState", { state: "active" });
    await posts(2);
    await settle("and thaws");
    await one("thawed");

    const stopped = await lead();
    await stopped.cdp.send("Debugger.enable");
    await stopped.cdp.send("Debugger.pause");
    void stopped.evaluate(() => 1);
    await posts(3);
    const others = tabs.filter((x) => x !== stopped);
    for (const p of others) await p.evaluate(() => see(true));
    await settle("the leader stops without a word, and another leads", others);
    await stopped.cdp.send("Debugger.resume");
    await stopped.cdp.send("Debugger.disable");
    await posts(2);
    await settle("and goes on");
    await one("gone on");
  },

  async "the server is away"() {
    const context = tabs[0].context();
    fail.all = true;
    cut();
    await restart();
    await posts(4);
    await until("502 is met", async () => asked.filter(([path, status]) => status === 502 && path === "/v1/events").length > 1);
    // Lists are answered again, streams are not yet: a tab opens with a fresh position.
    Object.assign(fail, { all: false, stream: true });
    await tab(context);
    await tab(context, "now=1");
    await posts(2);
    fail.stream = false;
    await settle("restarted behind a proxy that said 502, with tabs opened in between");
    await one("after 502");

    // The same with the tab that knows nothing as the leader.
    fail.all = true;
    cut();
    await posts(2);
    Object.assign(fail, { all: false, stream: true });
    for (const p of tabs.filter((x) => !x.url().includes("now"))) await p.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    await posts(2);
    fail.stream = false;
    await settle("the youngest tab alone is awake", tabs.filter((x) => x.url().includes("now")));
    for (const p of tabs) await p.cdp.send("Page.setWebLifecycleState", { state: "active" });
    await settle("the others wake");

    await Promise.all([posts(10), (async () => { for (let i = 0; i < 5; i++) { cut(); await later(150); } })()]);
    await settle("cut five times while posts are made");
    await Promise.all([restart(), tab(context), tab(context)]);
    await posts(3);
    await settle("restarted in order");
    await one("restarted");
    while (tabs.length) await shut(tabs[0]);
  },

  async "nobody looks"() {
    const context = await signIn();
    for (let i = 0; i < 3; i++) await tab(context, "hidden=500");
    await settle("three tabs that let go");
    for (const p of tabs) await p.evaluate(() => see(false));
    await until("hidden tabs let go", async (got) => got(await streams()) === 0);
    for (const p of tabs) await p.waitForFunction(() => connection.state === "resting");
    await posts(4);
    await shut(await lead());
    await posts(1);
    check(await streams() === 0, "the tab that leads next opens a stream although nobody looks");
    await tabs[1].evaluate(() => see(true));
    await settle("somebody looks again");
    await one("looked at");
    while (tabs.length) await shut(tabs[0]);
  },

  async "anything in any order"() {
    let state = Number(seed);
    const random = (n) => { state = (state * 1103515245 + 12345) % 2147483648; return Math.floor((state / 2147483648) * n); };
    const context = await signIn();
    await tab(context);
    const frozen = new Set();
    const acts = [
      () => posts(3), () => posts(1), () => cut(),
      async () => { if (tabs.length < 6) await tab(context, random(2) ? "now=1" : ""); },
      async () => { const p = tabs[random(tabs.length)]; if (tabs.length > 2 && !frozen.has(p)) await shut(p); },
      async () => {
        const p = tabs[random(tabs.length)];
        if (frozen.size + 1 >= tabs.length || frozen.has(p)) return;
        frozen.add(p);
        await p.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
      },
      async () => {
        const [p] = frozen;
        if (!p) return;
        frozen.delete(p);
        await p.cdp.send("Page.setWebLifecycleState", { state: "active" });
      },
      () => { fail.stream = !fail.stream; if (fail.stream) cut(); },
    ];
    const done = [];
    for (let i = 0; i < 60; i++) {
      const n = random(acts.length);
      done.push(n);
      if (n === 3 || n === 4) fail.stream = false;
      await Promise.all([acts[n](), random(3) ? null : post()]);
    }
    fail.stream = false;
    for (const p of frozen) await p.cdp.send("Page.setWebLifecycleState", { state: "active" });
    await post();
    await settle(`sixty acts by chance (seed ${seed}): ${done.join("")}`);
    await one("after the acts");
    while (tabs.length) await shut(tabs[0]);
  },

  async "access ends"() {
    const context = await signIn();
    for (let i = 0; i < 3; i++) await tab(context);
    await settle("three tabs");
    const before = asked.length;
    await tabs[1].evaluate(() => fetch("/v1/auth/logout", { method: "POST" }));
    for (const p of tabs) await p.waitForFunction(() => connection.state === "ended" && states.at(-1) === "ended");
    for (const p of tabs) await p.evaluate(() => see(true));
    await post();
    const refused = asked.slice(before).filter(([, status]) => status === 401).length;
    check(refused <= 6, `after a log-out the site said 401 ${refused} times`);
    const count = asked.length;
    for (const p of tabs) await p.evaluate(() => new Promise((done) => setTimeout(done, 3000)));
    check(asked.length === count, `tabs that are signed out still ask: ${JSON.stringify(asked.slice(count))}`);
    while (tabs.length) await shut(tabs[0]);
    step("a log-out in one tab ends all, and nobody asks any more");

    const again = await signIn();
    for (let i = 0; i < 2; i++) await tab(again);
    await tabs[1].evaluate(() => connection.end());
    await tabs[0].waitForFunction(() => states.at(-1) === "ended");
    check(await tabs[1].evaluate(() => states.at(-1) !== "ended" && connection.state === "ended"), "end() calls back");
    while (tabs.length) await shut(tabs[0]);
    step("end() tells the other tabs");
  },
};

try {
  for (const [, journey] of Object.entries(journeys).filter(([name]) => !process.env.ONLY || name.includes(process.env.ONLY))) await journey();
  check(problems.length === 0, `errors in the pages: ${problems.join("; ")}`);
  step("done");
} finally {
  await browser.close();
  proxy.close();
  cut();
}
