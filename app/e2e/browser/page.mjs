// Drives the web client in a real Chromium: two people in two browsers. Prints one line for each step and ends
// with "done"; any failure ends with a stack trace and exit code 1. Called by go test with the site's address and
// a folder for screenshots.

import { chromium } from "playwright-core";

const [base, shots, executablePath] = process.argv.slice(2);
const password = "correct horse battery";
const step = (text) => console.log(text);

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const problems = [];

async function visitor(name) {
  const context = await browser.newContext({ viewport: { width: 820, height: 900 }, colorScheme: name === "bob" ? "dark" : "light" });
  const page = await context.newPage();
  watch(page, name);
  await page.goto(base + "/");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel(/Password/).fill(password);
  if (name === "alice") await page.screenshot({ path: `${shots}/sign-in.png` });
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.getByText("live", { exact: true }).waitFor();
  return { context, page };
}

function watch(page, name) {
  page.on("console", (m) => { if (m.type() === "error") problems.push(`${name}: ${m.text()}`); });
  page.on("pageerror", (err) => problems.push(`${name}: ${err.message}`));
}

function check(ok, what) {
  if (!ok) throw new Error(what);
}

try {
  const alice = await visitor("alice");
  const bob = await visitor("bob");
  step("registered and live");

  await bob.page.getByLabel("Find a person by name").fill("alice");
  await bob.page.getByLabel("Find a person by name").press("Enter");
  await bob.page.getByRole("button", { name: "Follow", exact: true }).click();
  await bob.page.getByRole("button", { name: "Unfollow" }).waitFor();
  await alice.page.getByText("bob followed you").waitFor();
  await alice.page.getByLabel("Notifications, 1 unread").waitFor();
  step("follow, toast and count");

  await bob.page.getByRole("link", { name: "Belfry" }).click();
  const text = "First light over the harbour, @bob <b>not bold</b> \u2028 ✨";
  await alice.page.getByLabel("Post", { exact: true }).fill(text);
  await alice.page.getByRole("button", { name: "Post", exact: true }).click();
  const arrived = bob.page.locator("article.post").filter({ hasText: "First light" });
  await arrived.waitFor();
  check((await arrived.locator("b").count()) === 0, "text of a post became markup");
  check((await arrived.locator(".text a").getAttribute("href")) === "/@bob", "the mention is no link");
  check((await bob.page.locator("article.post").count()) === 1, "the post stands there more than once");
  await bob.page.locator(".toast").first().waitFor();
  await bob.page.screenshot({ path: `${shots}/toast.png` });
  step("a post arrives live, as text, once");

  await arrived.locator("button.like").click();
  await bob.page.getByLabel("Like, 1").waitFor();
  await alice.page.getByText("bob liked your post").waitFor();
  await arrived.locator("a.comments").click();
  await bob.page.getByLabel("Comment", { exact: true }).fill("Where is this?");
  await bob.page.getByRole("button", { name: "Comment" }).click();
  await bob.page.locator("article.comment").filter({ hasText: "Where is this?" }).waitFor();
  await alice.page.getByText("bob commented on your post").waitFor();
  await alice.page.getByLabel("Notifications, 3 unread").waitFor();
  await alice.page.screenshot({ path: `${shots}/feed.png` });
  step("like and comment, told live");

  // A second tab shares the stream: still one connection for the whole browser.
  const second = await alice.context.newPage();
  watch(second, "alice, second tab");
  await second.goto(base + "/notifications");
  await second.getByText("live", { exact: true }).waitFor();
  await second.locator(".note").nth(2).waitFor();
  check((await second.locator(".note").count()) === 3, "three notifications in the list");
  await second.screenshot({ path: `${shots}/notifications.png` });
  const streams = await fetch(process.env.BELFRY_ADMIN + "/metrics").then((r) => r.text());
  const open = /belfry_sse_connections(?:\{[^}]*\})? (\d+)/.exec(streams);
  check(open && open[1] === "2", `two people with three tabs hold ${open && open[1]} streams`);
  await second.getByRole("button", { name: "Mark all read" }).click();
  await alice.page.getByLabel("Notifications, 0 unread").waitFor();
  step("read in one tab, read in the other; one stream for both");

  // The leading tab goes: the other takes over and misses nothing.
  await alice.page.close();
  await bob.page.getByLabel("Comment", { exact: true }).fill("Found it.");
  await bob.page.getByRole("button", { name: "Comment" }).click();
  await second.getByText("bob commented on your post").nth(1).waitFor();
  await second.getByLabel("Notifications, 1 unread").waitFor();
  step("the other tab takes the stream over");

  await second.getByRole("link", { name: "Belfry" }).click();
  await second.locator("article.post a", { hasText: /now|ago/ }).first().click();
  await second.locator("article.comment").nth(1).waitFor();
  await second.screenshot({ path: `${shots}/post.png` });
  second.on("dialog", (d) => d.accept());
  await second.getByRole("button", { name: "Delete" }).first().click();
  await bob.page.goto(base + "/");
  await bob.page.getByText("Quiet here.").waitFor();
  step("deleted for everybody");

  // An operator ends an account: what its followers see of it goes, without a reload.
  const carol = await visitor("carol");
  await bob.page.goto(base + "/@carol");
  await bob.page.getByRole("button", { name: "Follow", exact: true }).click();
  await bob.page.getByRole("button", { name: "Unfollow" }).waitFor();
  await bob.page.getByRole("link", { name: "Belfry" }).click();
  await carol.page.getByLabel("Post", { exact: true }).fill("The tide turns at six.");
  await carol.page.getByRole("button", { name: "Post", exact: true }).click();
  const doomed = bob.page.locator("article.post").filter({ hasText: "The tide turns" });
  await doomed.waitFor();
  await bob.page.getByLabel("Post", { exact: true }).fill("half a thought");
  await fetch(process.env.OPERATOR + "/carol");
  await doomed.waitFor({ state: "detached" });
  check((await bob.page.getByLabel("Post", { exact: true }).inputValue()) === "half a thought", "the draft is gone");
  await carol.page.getByRole("button", { name: "Log in" }).waitFor();
  await carol.context.close();
  step("an account has ended");

  await bob.page.goto(base + "/docs");
  await bob.page.locator("rapi-doc").waitFor();
  await bob.page.waitForFunction(() => document.querySelector("rapi-doc")?.shadowRoot?.textContent.includes("/v1/events"));
  await bob.page.screenshot({ path: `${shots}/docs.png` });
  step("the API page lists the operations");

  await second.getByRole("button", { name: "Log out" }).click();
  await second.getByRole("button", { name: "Log in" }).waitFor();
  step("logged out");

  const unexpected = problems.filter((p) => !/401|404/.test(p));
  check(unexpected.length === 0, "errors in the console:\n" + unexpected.join("\n"));
  step("done");
} catch (err) {
  console.log("console errors:", problems);
  throw err;
} finally {
  await browser.close();
}
