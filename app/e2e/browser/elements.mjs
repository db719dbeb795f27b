// The elements of /belfry.js on a page of another origin that has a strict content security policy: whatever is first,
// script, element or token. OPERATOR does to the site what its path says. Prints a line for each step and ends with "done".

import { launch } from "./site.mjs";
import { createServer } from "node:http";

const [site, address, token, executablePath, shots] = process.argv.slice(2);
const step = (text) => console.log(text);
const check = (ok, what) => { if (!ok) throw new Error(what); };
const operate = async (what) => check((await fetch(`${process.env.OPERATOR}/${what}`)).ok, what);

const served = createServer((q, a) => {
  a.setHeader("Content-Type", "text/html");
  a.setHeader("Content-Security-Policy", `default-src 'none'; script-src ${site}; connect-src ${site}`);
  a.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  a.end(`<!doctype html><html lang="en"><title>elsewhere</title>
    <belfry-bell label="News"></belfry-bell><belfry-bell></belfry-bell><belfry-toast></belfry-toast>
    <script type="module" src="${site}/belfry.js"></script>`);
}).listen(+address.split(":")[1], "127.0.0.1");

const browser = await launch(executablePath);
try {
  const page = await browser.newPage({ viewport: { width: 480, height: 320 } });
  const problems = [], asked = [];
  page.on("pageerror", (err) => problems.push(err.message));
  page.on("console", (m) => { if (m.type() === "error" && !/401/.test(m.text())) problems.push(m.text()); });
  page.on("request", (r) => asked.push(`${r.method()} ${new URL(r.url()).pathname}`));
  const sign = (auth) => page.evaluate((auth) => {
    window.states = [];
    document.querySelector("belfry-bell").addEventListener("belfry-state", (e) => states.push(e.detail));
    for (const x of document.querySelectorAll("belfry-bell, belfry-toast")) x.auth = auth;
  }, auth);
  const bells = (n) => page.waitForFunction((n) => [...document.querySelectorAll("belfry-bell")].every((b) =>
    b.shadowRoot?.querySelector("a").getAttribute("aria-label").endsWith(`: ${n}`)), n);

  // The token is there before the script.
  let go;
  const held = new Promise((done) => { go = done; });
  await page.route("**/belfry.js", async (r) => { await held; await r.continue(); });
  await page.goto(`http://localhost:${address.split(":")[1]}/`, { waitUntil: "commit" });
  await page.waitForFunction(() => document.querySelector("belfry-toast"));
  await sign({ token });
  go();
  await bells(1);
  check(await page.getByRole("link", { name: "News: 1" }).getAttribute("href") === `${site}/notifications`, "the bell leads elsewhere");
  check(asked.filter((x) => x === "POST /v1/stream-tickets").length === 1, `one stream for three elements: ${asked}`);
  step("the token before the script; one stream for all elements");

  await page.evaluate(() => { window.told = []; addEventListener("belfry-notification", (e) => told.push(e.detail.type)); });
  for (let i = 0; i < 5; i++) await operate("mention?" + i);
  await bells(6);
  check(await page.evaluate(() => told.length) === 10, "each bell tells of each notification");
  check(await page.getByRole("status").getByRole("link").count() === 3, "three toasts at most");
  await page.screenshot({ path: `${shots}/elements.png` });
  await operate("read");
  await bells(5);
  await operate("restart");
  await operate("mention?5");
  await bells(6);
  step("counts, through a restart");

  // Taken out and put back, the bell goes on.
  await page.evaluate(() => {
    const all = [...document.querySelectorAll("belfry-bell, belfry-toast")];
    all.forEach((x) => x.remove());
    document.body.append(...all);
  });
  await operate("mention?6");
  await bells(7);
  await sign(null);
  await bells(0);
  await sign({ token });
  await bells(7);
  await operate("revoke");
  await page.waitForFunction(() => states.at(-1) === "ended");
  const count = asked.length;
  await sign({ token });
  await page.waitForFunction(() => states.at(-1) === "ended");
  check(asked.length - count < 6, `with a token that has ended: ${asked.slice(count)}`);
  check(problems.length === 0, problems.join("; "));
  step("done");
} finally {
  await browser.close();
  served.close();
}
