// Events that come while an answer is on its way: the answer is older than they are and takes nothing back. Called by
// go test with the site's address and a folder for screenshots.

import { api, broke, check, clean, launch, leaves, posted, step, still, unread, visitor } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);

/** Holds the next answer for an address, which the server has given already, until release is called. */
async function held(page, url) {
  let release, got;
  const answered = new Promise((done) => { got = done; });
  const wait = new Promise((done) => { release = done; });
  await page.route(url, async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    got();
    await wait;
    await route.fulfill({ response, body });
  }, { times: 1 });
  return { answered, release };
}

try {
  const alice = await visitor(browser, base, "alice", { viewport: { width: 1000, height: 600 } });
  const bob = await visitor(browser, base, "bob");
  const { page } = alice, writer = bob.page;
  const { body: { id } } = await api(page, "GET", "/v1/users/by-name/bob");
  await api(page, "PUT", `/v1/users/${id}/follow`, {});
  const write = async (text) => (await api(writer, "POST", "/v1/posts", { text })).body.id;
  const rung = (text) => page.locator(".toast", { hasText: text }).waitFor(); // its event has been taken in
  const home = /\/v1\/timelines\/home/;

  for (let i = 0; i < 12; i++) await write(`number ${i}`);
  await page.goto(base + "/local");
  let answer = await held(page, home);
  await page.locator("a.brand").click(); // the list has never been fetched
  await answer.answered;
  await write("written while it was fetched");
  await rung("written while it was fetched");
  answer.release();
  await posted(page, "written while it was fetched").waitFor();
  await posted(page, "number 11").waitFor();
  step("a list that was on its way");

  answer = await held(page, home);
  await page.reload();
  await answer.answered;
  await write("and then a second");
  await rung("and then a second");
  const doomed = await write("soon gone");
  await rung("soon gone");
  await api(writer, "DELETE", `/v1/posts/${doomed}`);
  await write("the last of three");
  await rung("the last of three");
  answer.release();
  await posted(page, "and then a second").waitFor();
  await posted(page, "the last of three").waitFor();
  check(!(await posted(page, "soon gone").count()), "what was deleted meanwhile stands there");
  check((await posted(page, "and then a second").count()) === 1, "a post stands there twice");
  step("a list that is fetched anew");

  // What the device kept is painted; who has begun to read keeps the place.
  await leaves(page, 1, "the last of three");
  await page.goto(base + "/robots.txt");
  await write("while alice was away");
  answer = await held(page, home);
  await page.goto(base + "/");
  await page.locator("main .composer").waitFor(); // what the server writes for readers without script is gone
  await posted(page, "number 11").waitFor();
  await page.evaluate(() => scrollTo(0, 400));
  const before = await still(posted(page, "number 9"));
  answer.release();
  await page.getByRole("button", { name: "1 new post" }).waitFor();
  const after = await still(posted(page, "number 9"));
  check(Math.abs(after - before) < 4, `the list jumped by ${after - before} px`);
  await page.getByRole("button", { name: "1 new post" }).click();
  await posted(page, "while alice was away").waitFor();
  step("a second visit does not jump");

  const mine = (await api(page, "POST", "/v1/posts", { text: "like this" })).body.id;
  answer = await held(page, /\/v1\/notifications\?grouped/);
  await page.getByRole("link", { name: /^Notifications/ }).click();
  await answer.answered;
  const { body: { unread: had } } = await api(page, "GET", "/v1/notifications/counts");
  await api(writer, "PUT", `/v1/posts/${mine}/like`);
  await unread(page, had + 1);
  answer.release();
  await page.locator("article.note").filter({ hasText: "bob liked your post" }).waitFor();
  step("an inbox that was on its way");

  clean();
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
