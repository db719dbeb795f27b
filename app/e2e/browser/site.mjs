// What the tests of the web client share: a browser, people who sign in, checks.

import { chromium } from "playwright-core";

export const password = "correct horse battery";

export const launch = (executablePath, ...args) => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu",
  "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...args] });

export const problems = [];

/** Notes what the page complains of. */
export function watch(page, name) {
  page.setDefaultTimeout(60_000); // a busy machine is no fault
  page.on("console", (m) => { if (m.type() === "error") problems.push(`${name}: ${m.text()} ${m.location().url}`); });
  page.on("pageerror", (err) => problems.push(`${name}: ${err.stack}`));
}

export function check(ok, what) {
  if (!ok) throw new Error(what);
}

export const step = (text) => console.log(text);

/** Fails when the page complained of more than what visitors are told. */
export function clean(...allowed) {
  const left = problems.filter((p) => ![/status of 401/, /status of 404/, ...allowed].some((a) => a.test(p)));
  check(!left.length, "errors in the console:\n" + left.join("\n"));
}

/** Tells what the pages of a journey that broke off show. */
export async function broke(browser, shots) {
  console.log("console errors:", problems);
  for (const [i, page] of browser.contexts().flatMap((c) => c.pages()).entries()) {
    console.log(`page ${i}: ${page.url()}:`, (await page.locator("body").innerText({ timeout: 1_000 }).catch(String)).replace(/^(.{700}).*(.{700})$/s, "$1\n…\n$2"));
    await page.screenshot({ path: `${shots}/broke-${i}.png` }).catch(() => {});
  }
}

export const live = (page) => page.locator(".state.on").waitFor({ state: "attached" });

/** Signs in on the page for that; anew = makes an account. */
export async function sign(page, base, name, anew = false, secret = password) {
  await page.goto(base + (anew ? "/register" : "/login"));
  await page.locator("input[name=username]").fill(name);
  await page.locator("input[name=password]").fill(secret);
  await page.locator(".sign form button[type=submit]").click();
  await live(page);
}

/** A person with a browser of their own. */
export async function visitor(browser, base, name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 900 }, ...options });
  const page = await context.newPage();
  watch(page, name);
  await sign(page, base, name, true);
  return { context, page };
}

export const box = (page) => page.locator("main .composer textarea").first();

export async function say(page, text) {
  await box(page).fill(text);
  await page.locator("main .composer").first().getByRole("button", { name: "Post", exact: true }).click();
  await page.locator("article.post").filter({ hasText: text.slice(0, 20) }).first().waitFor();
}

export const posted = (page, text) => page.locator("article.post").filter({ hasText: text });
export const unread = (page, n) => page.getByRole("link", { name: n ? `Notifications, ${n} unread` : "Notifications", exact: true }).waitFor();

/** Has a page keep what the next visit paints, as when the reader leaves it; ends when that many posts are kept, and that text. */
export async function leaves(page, posts = 1, text = "") {
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForFunction(([posts, text]) => new Promise((done) => {
    const open = indexedDB.open("keyval-store");
    open.onsuccess = () => {
      const get = open.result.transaction("keyval").objectStore("keyval").get("belfry");
      get.onsuccess = () => {
        open.result.close();
        done(get.result?.posts.length >= posts && get.result.posts.some((p) => p.text.includes(text)));
      };
    };
  }), [posts, text]);
}

/** Asks the API as whoever the page is signed in as. */
export const api = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
  const a = await fetch(path, { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  return { status: a.status, body: await a.json().catch(() => null) };
}, [method, path, body]);

/** Where a thing stands once it no longer moves. */
export const still = (locator) => locator.evaluate((el) => new Promise((done) => {
  let last = NaN, same = 0;
  const look = () => {
    const top = el.getBoundingClientRect().top;
    same = top === last ? same + 1 : 0;
    last = top;
    if (same > 20) done(top);
    else requestAnimationFrame(look);
  };
  look();
}));
