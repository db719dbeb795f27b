// Writing in the web client when things go wrong: answers that are lost, two tabs, places that are left, second thoughts.
// Called by go test with the site's address and a folder for screenshots.

import { api, box, broke, check, clean, launch, live, posted, say, sign, step, visitor, watch } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
const button = (at, name) => at.getByRole("button", { name, exact: true });
const menu = async (at, what) => {
  await button(at, "More about this post").click();
  await at.getByRole("menuitem", { name: what }).click();
};
/** What is written in a field, once it is so. */
const holds = (page, text, at = "main .composer textarea") => page.waitForFunction(([at, text]) => document.querySelector(at)?.value === text, [at, text]);
/** How many posts of a person have a text. */
const made = async (page, text) => (await api(page, "GET", `/v1/users/${(await api(page, "GET", "/v1/me")).body.id}/posts`)).body.items
  .filter((p) => p.text === text).length;
/** Keeps what is asked waiting until it is let go. */
async function hold(page, url, method, then = (r) => r.continue()) {
  let release, came;
  const free = new Promise((done) => { release = done; }), asked = new Promise((done) => { came = done; });
  await page.route(url, async (r) => {
    if (r.request().method() !== method) return r.continue();
    came();
    await free;
    await then(r);
  });
  return { asked, release };
}
const photo = (page, name) => page.evaluate(async () => {
  const c = Object.assign(document.createElement("canvas"), { width: 300, height: 200 });
  c.getContext("2d").fillRect(0, 0, 300, 100);
  return [...new Uint8Array(await (await new Promise((done) => c.toBlob(done, "image/jpeg"))).arrayBuffer())];
}).then((bytes) => ({ name, mimeType: "image/jpeg", buffer: Buffer.from(bytes) }));

try {
  const alice = await visitor(browser, base, "alice");
  const bob = await visitor(browser, base, "bob");
  const { page } = alice;

  await page.route("**/v1/posts", async (r) => { await r.fetch(); await r.abort(); });
  await box(page).fill("said once");
  await button(page, "Post").click();
  await page.getByText("The server cannot be reached.").waitFor();
  await page.unroute("**/v1/posts");
  await page.reload(); // the key is kept with the draft
  await holds(page, "said once");
  await button(page, "Post").click();
  await holds(page, "");
  check(await made(page, "said once") === 1, "a lost answer and a second click made two posts");
  step("a lost answer");

  await box(page).fill("begun at home");
  await button(page, "Write").click();
  await holds(page, "begun at home", "dialog textarea");
  await page.locator("dialog textarea").fill("begun at home, ended here");
  await page.keyboard.press("Escape");
  await holds(page, "begun at home, ended here");
  await button(page, "Write").click();
  await button(page.locator("dialog"), "Post").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await holds(page, "");
  step("two composers are one draft");

  const second = await alice.context.newPage();
  watch(second, "alice, second tab");
  await second.goto(base + "/");
  await live(second);
  await box(page).fill("a longer draft of the first tab");
  await holds(second, "a longer draft of the first tab");
  await box(second).press("End");
  await box(second).pressSequentially("!");
  await holds(page, "a longer draft of the first tab!");
  await button(page, "Post").click();
  await holds(page, "");
  await holds(second, "");
  step("two tabs are one draft");

  let held = await hold(page, "**/v1/posts", "POST");
  await box(page).fill("on its way");
  await button(page, "Post").click();
  await held.asked;
  await box(page).pressSequentially("more");
  check(await box(page).inputValue() === "on its way", "what is typed while a post is on its way is lost");
  held.release();
  await holds(page, "");
  await page.unroute("**/v1/posts");
  held = await hold(page, "**/v1/posts", "POST", (r) => r.fulfill({ status: 422, contentType: "application/problem+json",
    body: JSON.stringify({ type: "/problems/invalid", title: "No", status: 422, code: "invalid", detail: "Not like this." }) }));
  await box(page).fill("refused");
  await button(page, "Post").click();
  await held.asked;
  await page.getByRole("link", { name: "People", exact: true }).click();
  held.release();
  await page.locator(".toast", { hasText: "Not like this." }).waitFor();
  await page.unroute("**/v1/posts");
  await page.locator("a.brand").click();
  await holds(page, "refused");
  await box(page).fill("");
  step("nothing typed is lost while a post is on its way, and a refusal is told elsewhere");

  held = await hold(page, "**/v1/media", "POST");
  await page.getByTestId("file").first().setInputFiles(await photo(page, "slow.jpg"));
  await held.asked;
  await page.getByRole("link", { name: "People", exact: true }).click();
  await page.getByRole("searchbox").waitFor();
  held.release();
  await page.waitForResponse((r) => r.url().endsWith("/v1/media"));
  await page.locator("a.brand").click();
  await page.locator(".pictures li").waitFor();
  await page.locator(".pictures .progress").waitFor({ state: "detached" });
  check(!await button(page, "Post").isDisabled(), "the picture did not arrive");
  await page.unroute("**/v1/media");
  await page.route("**/v1/media", (r) => r.abort());
  await page.getByTestId("file").first().setInputFiles(await photo(page, "cut.jpg"));
  await button(page, "Try again").waitFor();
  await page.unroute("**/v1/media");
  await button(page, "Try again").click();
  await button(page, "Try again").waitFor({ state: "detached" });
  await page.locator(".pictures .progress").waitFor({ state: "detached" });
  await page.waitForFunction(() => Object.values(localStorage).some((x) => x.includes("cut.jpg")));
  const { media } = await page.evaluate(() => JSON.parse(Object.values(localStorage).find((x) => x.includes("cut.jpg"))));
  check((await api(page, "DELETE", `/v1/media/${media[0].id}`)).status === 204, "no picture to take away");
  await page.reload();
  await page.locator(".pictures li").nth(0).getByText("This picture is gone.").waitFor();
  check(await page.locator(".pictures li .error").count() === 1, "the wrong picture is called gone");
  await button(page.locator(".pictures li").nth(0), "Remove").click();
  await button(page, "Post").click();
  await page.locator("article.post .gallery.of-1").waitFor();
  step("pictures arrive while one is elsewhere, can be sent again, and are missed by name");

  await menu(page.locator("article.post").filter({ has: page.locator(".gallery") }), "Edit");
  const form = page.locator("article.post .composer");
  await button(form, "Add a warning").click();
  await form.getByLabel("Warning", { exact: true }).fill("😀".repeat(201));
  check([...await form.getByLabel("Warning", { exact: true }).inputValue()].length === 200, "a warning is not counted in code points");
  await form.getByLabel("Warning", { exact: true }).fill("a picture");
  await button(form, "Save").click();
  await page.locator(".warned").getByText("a picture").waitFor();
  step("a warning on pictures alone");

  await say(page, "first words");
  await posted(second, "first words").waitFor();
  await menu(posted(page, "first words"), "Edit");
  await menu(posted(second, "first words"), "Edit");
  await form.locator("textarea").fill("words of the first tab");
  await page.keyboard.press("Escape");
  await page.reload();
  await menu(posted(page, "first words"), "Edit");
  await holds(page, "words of the first tab", "article .composer textarea");
  const { id } = (await api(page, "GET", "/v1/timelines/home")).body.items.find((p) => p.text === "first words");
  await api(bob.page, "PUT", `/v1/posts/${id}/like`);
  await button(form, "Save").click();
  await posted(page, "words of the first tab").waitFor();
  const theirs = second.locator("article.post .composer");
  await theirs.locator("textarea").fill("words of the second tab");
  await button(theirs, "Save").click();
  await theirs.getByText("The post was changed meanwhile.").waitFor();
  await theirs.locator(".theirs").getByText("words of the first tab").waitFor();
  await second.screenshot({ path: `${shots}/changed-meanwhile.png` });
  check((await api(page, "GET", `/v1/posts/${id}`)).body.text === "words of the first tab", "a second tab wrote over it in silence");
  await button(theirs, "Save").click();
  await posted(page, "words of the second tab").waitFor();
  await menu(posted(second, "words of the second tab"), "Edit");
  const before = await api(second, "GET", `/v1/posts/${id}`);
  await second.route(`**/v1/posts/${id}`, async (r) => { // changed between what was looked at and what is saved
    const a = await r.fetch();
    await api(page, "PATCH", `/v1/posts/${id}`, { text: "in the nick of time" });
    await r.fulfill({ response: a });
  }, { times: 1 });
  await holds(second, before.body.text, "article .composer textarea");
  await theirs.locator("textarea").fill("too late");
  await button(theirs, "Save").click();
  await theirs.locator(".theirs").getByText("in the nick of time").waitFor();
  await button(theirs, "Cancel").click();
  step("changes are kept, and overwrite nobody's in silence");

  const timed = await alice.context.newPage(); // a tab whose clock is ours
  watch(timed, "alice, timed");
  await timed.clock.install();
  await timed.goto(`${base}/p/${id}`);
  await live(timed);
  await menu(timed.locator("article.whole"), "Delete");
  const undo = button(timed, "Undo");
  await undo.hover();
  await timed.locator("article.post").first().waitFor();
  check(!await posted(timed, "in the nick of time").count(), "it is deleted, and stands there");
  await timed.clock.runFor(20_000);
  for (let i = 0; i < 4; i++) await menu(timed.locator("article.post").first(), "Copy link");
  check((await api(timed, "GET", `/v1/posts/${id}`)).status === 200, "it is deleted while Undo is offered");
  await undo.click();
  await timed.locator("article.whole").getByText("in the nick of time").waitFor();
  check(new URL(timed.url()).pathname === `/p/${id}`, "Undo does not lead back");
  await menu(timed.locator("article.whole"), "Delete");
  await undo.waitFor();
  await button(timed, "Log out").click();
  await timed.getByRole("link", { name: "Log in" }).first().waitFor();
  check((await api(bob.page, "GET", `/v1/posts/${id}`)).status === 404, "logging out forgot a deletion");
  await alice.context.close();
  step("Undo is what it says, and a deletion outlives logging out");

  await bob.page.getByRole("link", { name: "People", exact: true }).click();
  const field = bob.page.getByRole("searchbox");
  await field.fill("ali");
  await bob.page.waitForURL("**/people?q=ali");
  await bob.page.getByRole("link", { name: "People", exact: true }).click();
  await holds(bob.page, "", "input[type=search]");
  await field.fill("Alice Smith");
  await field.press("Enter");
  await bob.page.getByText("Nobody's name begins with").waitFor();
  check(new URL(bob.page.url()).pathname === "/people", "a name that nobody has leads somewhere");
  await bob.page.locator("main").focus();
  await bob.page.keyboard.press("/");
  await bob.page.waitForFunction(() => document.activeElement?.type === "search");
  await field.fill("@Alice");
  await field.press("Enter");
  await bob.page.waitForURL(/\/@alice$/i);
  await button(bob.page, "Write").click();
  await bob.page.locator("dialog textarea").fill("from elsewhere");
  await button(bob.page.locator("dialog"), "Post").click();
  await bob.page.locator(".toast a", { hasText: "Posted" }).click();
  await bob.page.locator("article.whole").getByText("from elsewhere").waitFor();
  check(await bob.page.locator("[role=status]").count() === 1, "more than one region speaks");
  await bob.page.goto(base + "/settings");
  const name = bob.page.getByLabel("Display name");
  const { display_name: most } = (await api(bob.page, "GET", "/v1/instance")).body.limits;
  await name.fill("😀".repeat(most + 1));
  check([...await name.inputValue()].length === most, "a name is not counted in code points");
  await button(bob.page, "Save").first().click();
  await bob.page.getByText("Saved").waitFor();
  await bob.page.goto(base + "/settings/security");
  await bob.page.getByText("Chrome on Linux").waitFor();
  step("people, words");

  const phone = await visitor(browser, base, "carol", { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true });
  await say(phone.page, "A few words from the pier");
  const top = async (l) => { const b = await l.boundingBox(); return b.y + b.height / 2; };
  const level = async (a, b, what) => check(Math.abs(await top(a) - await top(b)) < 12, what);
  await level(button(phone.page, "Post"), phone.page.getByRole("combobox"), "Post stands in a row of its own");
  await level(phone.page.locator("article .who"), phone.page.locator("article .meta"), "the time stands in a line of its own");
  check(!await button(phone.page, "Log out").count(), "one tap beside Write logs out");
  await menu(phone.page.locator("article.post").first(), "Copy link");
  check(await top(phone.page.locator(".toast")) > 600, "a message lies over the feed");
  await phone.page.screenshot({ path: `${shots}/writing-phone.png` });
  await phone.page.getByRole("link", { name: "Settings" }).click();
  await phone.page.screenshot({ path: `${shots}/settings-phone.png` });
  await button(phone.page, "Log out").click();
  await phone.page.getByRole("link", { name: "Log in" }).first().waitFor();
  step("a phone");

  clean(/ERR_FAILED/, /status of 422/, /status of 412/);
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
