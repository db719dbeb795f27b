// Living in the web client: the way back, the keyboard, what was pushed, settings, without a network, on a phone.
// Prints one line for each step and ends with "done". Called by go test with the site's address, a service token and
// a folder for screenshots.

import { api, broke, check, clean, launch, leaves, live, posted, say, sign, step, still, unread, visitor, watch } from "./site.mjs";

const [base, service, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
const push = (body) => fetch(base + "/v1/notifications", { method: "POST", body: JSON.stringify(body),
  headers: { Authorization: `Bearer ${service}`, "Content-Type": "application/json" } }).then((r) => check(r.status === 201, `push: ${r.status}`));

try {
  const alice = await visitor(browser, base, "alice", { viewport: { width: 1280, height: 800 } });
  const { page } = alice;
  for (let i = 0; i < 45; i++) {
    const { status } = await api(page, "POST", "/v1/posts", { text: `number ${i}\n${"line\n".repeat(i % 5)}` });
    check(status === 201, `post ${i}: ${status}`);
  }
  await page.goto(base + "/");
  await posted(page, "number 44").waitFor();
  while (!(await posted(page, "number 8\n").count())) {
    const n = await page.locator("article.post").count();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.locator("article.post").nth(n).waitFor({ state: "attached" });
  }
  await posted(page, "number 8").scrollIntoViewIfNeeded();
  const before = await still(posted(page, "number 8"));
  await posted(page, "number 8").locator("a.comments").evaluate((a) => a.click());
  await page.getByRole("heading", { name: "Comments" }).waitFor();
  await page.goBack();
  await posted(page, "number 8").waitFor();
  const after = await still(posted(page, "number 8"));
  check(Math.abs(before - after) < 40, `Back is ${after - before} px away`);
  step("endless, and Back keeps the place");

  await page.evaluate(() => scrollTo(0, 0));
  await page.locator("main").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  check((await page.evaluate(() => document.activeElement.innerText)).includes("number 44"), "j and k do not go along the list");
  await page.keyboard.press("l");
  await posted(page, "number 44").getByLabel("Like, 1").waitFor();
  await page.keyboard.press("o");
  await page.getByRole("heading", { name: "Comments" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await page.getByRole("heading", { name: "Notifications" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.screenshot({ path: `${shots}/keys.png` });
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  await page.locator("dialog textarea").fill("by the keyboard");
  await page.keyboard.press("Control+Enter");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.locator("a.brand").click();
  await posted(page, "by the keyboard").waitFor();
  step("the keyboard");

  const later = await alice.context.newPage(); // a tab whose clock is ours
  watch(later, "alice, later");
  await later.clock.install();
  await later.goto(base + "/");
  const when = posted(later, "by the keyboard").locator("time");
  await when.waitFor();
  check(/^(now|1 min\. ago)$/.test(await when.innerText()), `a new post is from ${await when.innerText()}`);
  await later.clock.runFor(91_000);
  await posted(later, "by the keyboard").getByText(/^[12] min\. ago$/).waitFor();
  await later.close();
  step("times age");

  // Where a pushed notification leads: a place of ours with all of it, elsewhere as it is, never to a foreign name by a trick.
  const places = { "/p/none?x=1#y": "/p/none?x=1#y", "https://elsewhere.example/p/1?q#h": "https://elsewhere.example/p/1?q#h",
    "/docs": base + "/docs" };
  for (const url of Object.keys(places)) await push({ receiver: "@alice", type: "note", content: `see ${url}`, url });
  await page.goto(base + "/notifications");
  for (const [url, href] of Object.entries(places)) {
    const got = await page.locator("article.note a.whole").filter({ hasText: `see ${url}` }).getAttribute("href");
    check(got === href, `${url} leads to ${got}`);
  }
  await unread(page, 3);
  await page.getByRole("tab", { name: "Unread", exact: true }).click();
  await page.locator("article.note").nth(2).waitFor();
  await page.locator("article.note").first().getByRole("button", { name: "Mark as read" }).click();
  await unread(page, 2);
  await page.getByRole("tab", { name: "Mentions" }).click();
  await page.getByText("Nobody has named you yet.").waitFor();
  step("the inbox");

  await page.goto(base + "/settings");
  await page.getByLabel("Display name").fill("Alice of the Harbour");
  await page.getByLabel("About you").fill("Boats.\n\u05e9\u05dc\u05d5\u05dd");
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("Saved").waitFor();
  await page.locator(".nav .self").getByText("Alice of the Harbour").waitFor();
  await page.goto(base + "/settings/security");
  const elsewhere = await browser.newContext();
  const other = await elsewhere.newPage();
  watch(other, "alice elsewhere");
  await sign(other, base, "alice");
  await page.getByLabel("Current password").fill("correct horse battery");
  await page.getByLabel("New password").fill("another horse battery");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("Other sessions have ended").waitFor();
  await other.getByText("You have been signed out.").waitFor();
  await elsewhere.close();
  await page.goto(base + "/settings/tokens");
  await page.getByLabel("What it is for").fill("a script");
  await page.getByRole("button", { name: "Make a token" }).click();
  await page.locator(".once code").waitFor();
  await page.getByText("a script").waitFor();
  await page.getByRole("button", { name: "Remove" }).click();
  await page.getByText("No tokens.").waitFor();
  await page.goto(base + "/settings/webhooks");
  await page.getByLabel("Address (https)").fill("https://bot.example/hook");
  await page.getByRole("button", { name: "Add a webhook" }).click();
  await page.locator(".once code").getByText("whsec_").waitFor();
  await page.getByRole("button", { name: "Send a test" }).click();
  await page.getByText("1 attempt").waitFor();
  await page.screenshot({ path: `${shots}/settings.png` });
  await page.goto(base + "/settings/appearance");
  await page.getByLabel("Dark").check();
  check(await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === "rgb(23, 19, 16)", "dark is not dark");
  await page.getByLabel("As the device").check();
  step("settings");

  // The next visit paints before the network answers; without one it says so and keeps what it has.
  await page.locator("a.brand").click();
  await posted(page, "by the keyboard").waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await leaves(page);
  await alice.context.setOffline(true);
  await page.reload();
  await posted(page, "by the keyboard").waitFor();
  await page.getByText("Offline.").waitFor();
  await page.screenshot({ path: `${shots}/offline.png` });
  await alice.context.setOffline(false);
  await page.getByText("Offline.").waitFor({ state: "detached" });
  await live(page);
  step("without a network");

  const phone = await browser.newContext({ viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true, colorScheme: "dark" });
  const small = await phone.newPage();
  watch(small, "phone");
  await sign(small, base, "alice", false, "another horse battery");
  await posted(small, "by the keyboard").waitFor();
  const wide = await small.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 390, `a phone's page is ${wide} px wide`);
  await say(small, "from a phone");
  await small.screenshot({ path: `${shots}/phone.png` });
  await posted(page, "from a phone").waitFor();
  step("a phone");

  clean(/ERR_INTERNET_DISCONNECTED/, /ERR_FAILED/);
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
