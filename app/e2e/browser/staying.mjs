// What people meet who stay: lists that are as new as they look and stay where they are, an inbox that has everything,
// sessions that end, a server that is away for a moment. Called by go test with the site's address and a folder for
// screenshots.

import { api, broke, check, clean, launch, leaves, live, posted, sign, step, still, unread, visitor, watch } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
const ids = (page) => page.locator("main [data-item]").evaluateAll((all) => all.map((x) => x.dataset.item));
const inside = (page, href) => page.evaluate((href) => document.querySelector(`a[href="${href}"]`).click(), href);

try {
  const bob = await visitor(browser, base, "bob");
  const write = async (text, more = {}) => (await api(bob.page, "POST", "/v1/posts", { text, ...more })).body.id;
  const first = await write("An address: https://example.com/a。次の文, and https://example.org，too");
  await api(bob.page, "PATCH", "/v1/me", { bio: "Boats: https://example.net/boats" });

  // A newcomer who has looked around first.
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
  const page = await context.newPage();
  watch(page, "alice");
  await page.goto(base + "/");
  await posted(page, "An address").waitFor();
  await page.goto(base + "/people");
  await page.getByRole("link", { name: "Follow" }).first().waitFor();
  await inside(page, "/login");
  await page.getByRole("link", { name: "I am new here" }).first().click();
  await page.locator("input[name=username]").fill("alice");
  await page.locator("input[name=password]").fill("correct horse battery");
  await page.locator(".sign form button[type=submit]").click();
  await live(page);
  check(new URL(page.url()).pathname === "/people", `signing in leads to ${page.url()}`);
  await page.locator("main .person-row", { hasText: "bob" }).getByRole("button", { name: "Follow", exact: true }).click();
  await page.locator("main .person-row", { hasText: "bob" }).getByRole("button", { name: "Unfollow" }).waitFor();
  step("a newcomer follows somebody");

  await page.locator(".nav a[href='/local']").click();
  await posted(page, "An address").locator(".text a").nth(1).waitFor();
  const links = await posted(page, "An address").locator(".text a").evaluateAll((all) => all.map((a) => a.href));
  check(links.join(" ") === "https://example.com/a https://example.org/", `links are ${links}`);
  await page.goto(base + "/@bob");
  check(await page.locator(".bio a").getAttribute("href") === "https://example.net/boats", "an address in a bio is dead");
  step("addresses end where they end");

  // Somebody with the bell on: the bell counts it, and the open inbox has it.
  await inside(page, "/notifications");
  await page.getByRole("heading", { name: "Notifications" }).waitFor();
  await write("rings the bell");
  await unread(page, 1);
  await page.locator("article.note.unread").filter({ hasText: "bob" }).waitFor();
  check((await page.title()).startsWith("(1)"), "the title does not count a post");
  await page.getByRole("tab", { name: "Mentions" }).click();
  check(await page.getByRole("button", { name: "Mark all as read" }).isDisabled(), "all are marked from a part of them");
  step("a post rings");

  // A list that is visited again is as new as it looks; Back finds it as it was.
  const eve = await visitor(browser, base, "eve"); // nobody follows her: no event tells of her
  await inside(page, "/local");
  await posted(page, "rings the bell").waitFor();
  await api(eve.page, "POST", "/v1/posts", { text: "unheard of" });
  await inside(page, "/people");
  await page.getByRole("searchbox").waitFor();
  await inside(page, "/local");
  await posted(page, "unheard of").waitFor();
  step("what is visited again is new");

  for (let i = 0; i < 60; i++) await write(`number ${i}`);
  for (let i = 0; i < 45; i++) await write(`answer ${i}`, { reply_to: first });
  await page.goto(base + "/@bob?tab=comments");
  await posted(page, "answer 44").waitFor();
  await posted(page, "answer 44").locator("a.time").click();
  await page.locator("article.whole").waitFor();
  check((await posted(page, "answer 44").count()) === 1, "a comment stands twice on its own page");
  await page.goBack();
  await page.getByRole("tab", { name: "Comments", selected: true }).waitFor();
  step("the way back to a tab, and a comment stands once");

  // One's own comment in a long thread is the last, whatever is fetched before it.
  await page.goto(`${base}/p/${first}`);
  await posted(page, "answer 10").waitFor();
  await page.locator("main .composer textarea").first().fill("mine, the newest");
  await page.getByRole("button", { name: "Comment", exact: true }).first().click();
  await posted(page, "mine, the newest").waitFor();
  while (!(await posted(page, "answer 44").count())) {
    const n = await page.locator("article.post").count();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.locator("article.post").nth(n).waitFor({ state: "attached" });
  }
  check((await page.locator("article.post").last().innerText()).includes("mine, the newest"), "one's own comment is between those of others");
  step("a comment of one's own stays the last");

  // A gap in the middle of a long list: what is read stays where it is.
  await page.goto(base + "/");
  await posted(page, "number 59").waitFor();
  while (!(await posted(page, "number 18").count())) {
    const n = await page.locator("article.post").count();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.locator("article.post").nth(n).waitFor({ state: "attached" });
  }
  await posted(page, "number 20").scrollIntoViewIfNeeded();
  const before = await still(posted(page, "number 20")), had = (await ids(page)).length;
  const asked = page.waitForResponse((r) => r.url().includes("/v1/timelines/home"));
  // Another page takes the lead and tells of a gap.
  const other = await context.newPage();
  await other.goto(base + "/robots.txt");
  await other.evaluate(async () => {
    const me = await fetch("/v1/me").then((r) => r.json());
    const at = (await fetch("/v1/events?wait=0").then((r) => r.json())).next;
    await new Promise((done) => navigator.locks.request(`belfry ${location.origin} ${me.id} posts=all`, { steal: true }, () => { done(); return new Promise(() => {}); }));
    const channel = new BroadcastChannel(`belfry ${location.origin} ${me.id} posts=all`);
    setInterval(() => { // until the page has seen that its lead is gone
      channel.postMessage({ kind: "event", heard: { before: null, frame: { id: at, type: "gap", data: { reason: "unknown", to: at, heal: [] } } } });
    }, 100);
  });
  await asked;
  await other.close();
  await page.bringToFront();
  const after = await still(posted(page, "number 20"));
  check(Math.abs(after - before) < 4 && (await ids(page)).length === had, `after a gap the list jumped by ${after - before} px, ${had} to ${(await ids(page)).length}`);
  step("a gap moves nothing");

  // Begun without a network: the rest comes with it.
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.goto(base + "/");
  await live(page);
  await posted(page, "number 59").waitFor();
  await leaves(page, 20);
  await context.setOffline(true);
  await page.reload();
  await posted(page, "number 59").waitFor();
  check(await page.locator(".brand img").evaluate((i) => i.decode().then(() => true, () => false)), "the bell is missing without a network");
  await context.setOffline(false);
  await live(page);
  while (!(await posted(page, "number 18").count())) {
    const n = await page.locator("article.post").count();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.locator("article.post").nth(n).waitFor({ state: "attached" });
  }
  step("an offline start goes on");

  // A server that is away for a moment makes nobody a stranger.
  const fresh = await browser.newContext({ storageState: await context.storageState(), serviceWorkers: "block" });
  const late = await fresh.newPage();
  watch(late, "alice, late");
  await late.route("**/v1/me", (r) => r.fulfill({ status: 503, contentType: "application/problem+json", body: '{"status":503,"code":"unavailable","title":"Away","detail":"Away for a moment."}' }), { times: 1 });
  await late.goto(base + "/");
  await late.getByText("Away for a moment.").waitFor();
  await late.getByRole("button", { name: "Try again" }).click();
  await live(late);
  step("a 503 is tried again");

  // A session that has ended leaves one where one is.
  await late.goto(`${base}/p/${first}`);
  await posted(late, "An address").waitFor();
  await live(late);
  await fresh.clearCookies();
  await late.reload();
  await posted(late, "An address").waitFor();
  await late.getByRole("link", { name: "Log in" }).first().waitFor();
  check(new URL(late.url()).pathname === `/p/${first}`, `the end of a session leads to ${late.url()}`);
  await sign(late, base, "alice");
  step("a session that has ended");

  clean(/status of 503/, /ERR_INTERNET_DISCONNECTED/, /ERR_FAILED/);
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
