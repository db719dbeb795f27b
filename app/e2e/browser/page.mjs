// Drives the web client in a real Chromium: two people in two browsers, and more. Prints one line for each step and ends
// with "done"; any failure ends with a stack trace and exit code 1. Called by go test with the site's address and
// a folder for screenshots.

import { api, broke, box, check, clean, launch, live, posted, say, step, unread, visitor, watch } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);

try {
  const alice = await visitor(browser, base, "alice");
  const bob = await visitor(browser, base, "bob", { colorScheme: "dark" });
  step("registered and live");

  await bob.page.goto(base + "/@alice");
  await bob.page.getByRole("button", { name: "Follow", exact: true }).click();
  await bob.page.getByRole("button", { name: "Unfollow" }).waitFor();
  await bob.page.getByText("1 follower", { exact: true }).waitFor();
  await alice.page.getByText("bob followed you").waitFor();
  await unread(alice.page, 1);
  check(/^\(1\)/.test(await alice.page.title()), "the title does not count");
  step("follow, toast and count");

  await bob.page.locator("a.brand").click();
  const text = "First light over the harbour, @bob #dawn <b>not bold</b> \u2028 ✨ https://example.org/a_(b)?q=1.";
  await say(alice.page, text);
  await bob.page.getByRole("button", { name: "1 new post" }).waitFor();
  check((await posted(bob.page, "First light").count()) === 0, "the list jumped");
  await bob.page.locator(".toast").first().waitFor();
  await bob.page.screenshot({ path: `${shots}/toast.png` });
  await bob.page.getByRole("button", { name: "1 new post" }).click();
  const arrived = posted(bob.page, "First light");
  await arrived.waitFor();
  const links = await arrived.locator(".text a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  check(JSON.stringify(links) === JSON.stringify(["/@bob", "/tags/dawn", "https://example.org/a_(b)?q=1"]), `links are ${links}`);
  check((await arrived.locator("b").count()) === 0, "text of a post became markup");
  check((await arrived.count()) === 1, "the post stands there more than once");
  step("a post arrives live, as text with links, once");

  await arrived.locator("button.like").click();
  await arrived.getByLabel("Like, 1").waitFor();
  await alice.page.getByText("bob liked your post").first().waitFor();
  await posted(alice.page, "First light").getByLabel("Like, 1").waitFor();
  await bob.page.route("**/like", (r) => r.abort());
  await arrived.locator("button.like").click();
  await arrived.getByLabel("Like, 0").waitFor();
  await arrived.getByLabel("Like, 1").waitFor();
  await bob.page.unroute("**/like");
  step("a like shows at once, and is taken back when it fails");

  await arrived.locator("a.comments").click();
  await box(bob.page).fill("Where is this?");
  await bob.page.getByRole("button", { name: "Comment", exact: true }).click();
  await posted(bob.page, "Where is this?").waitFor();
  await alice.page.getByText("bob commented on your post").first().waitFor();
  await unread(alice.page, 3);
  await posted(alice.page, "First light").getByLabel("1 comment").waitFor();
  await alice.page.screenshot({ path: `${shots}/feed.png` });
  step("a comment, told live; counts move");

  const carol = await visitor(browser, base, "carol");
  await carol.page.goto(base + "/@alice");
  await posted(carol.page, "First light").locator("button.like").click();
  await alice.page.getByRole("link", { name: /^Notifications/ }).click();
  await alice.page.getByText("carol and 1 other liked your post").waitFor();
  check((await alice.page.locator("article.note").filter({ hasText: "liked" }).count()) === 1, "a like that joins a group is a card of its own");
  step("a like joins its group");

  // A second tab shares the stream: still one connection for the whole browser.
  const second = await alice.context.newPage();
  watch(second, "alice, second tab");
  await second.goto(base + "/notifications");
  await live(second);
  await second.locator("article.note").nth(2).waitFor();
  await second.screenshot({ path: `${shots}/notifications.png` });
  const streams = await fetch(process.env.BELFRY_ADMIN + "/metrics").then((r) => r.text());
  const open = /belfry_sse_connections(?:\{[^}]*\})? (\d+)/.exec(streams);
  check(open && open[1] === "3", `three people with four tabs hold ${open && open[1]} streams`);
  const note = second.locator("article.note").filter({ hasText: "commented" });
  await note.getByRole("button", { name: "Mark as read" }).click();
  await alice.page.locator("article.note:not(.unread)").filter({ hasText: "commented" }).waitFor();
  await note.getByRole("button", { name: "Mark as unread" }).click();
  await alice.page.locator("article.note.unread").filter({ hasText: "commented" }).waitFor();
  await note.getByRole("button", { name: "Archive" }).click();
  await alice.page.locator("article.note").filter({ hasText: "commented" }).waitFor({ state: "detached" });
  await second.getByRole("tab", { name: "Archived" }).click();
  await second.locator("article.note").filter({ hasText: "commented" }).getByRole("button", { name: "Move back" }).click();
  await second.getByRole("tab", { name: "All" }).click();
  await second.getByRole("button", { name: "Mark all as read" }).click();
  await unread(alice.page, 0);
  check((await alice.page.locator("article.note.unread").count()) === 0, "the open list ignores what another tab did");
  step("marks of one tab show in the other; one stream for both");

  // The leading tab goes: the other takes over and misses nothing.
  await alice.page.close();
  await box(bob.page).fill("Found it.");
  await bob.page.getByRole("button", { name: "Comment", exact: true }).click();
  await second.locator("article.note").filter({ hasText: "Found it." }).waitFor();
  await unread(second, 1);
  step("the other tab takes the stream over");

  await second.locator("a.brand").click();
  await posted(second, "First light").getByRole("button", { name: "More about this post" }).click();
  await second.getByRole("menuitem", { name: "Delete" }).click();
  await posted(second, "First light").waitFor({ state: "detached" });
  await second.getByRole("button", { name: "Undo" }).click();
  await posted(second, "First light").waitFor();
  await posted(second, "First light").locator("a.comments").click();
  await posted(second, "Found it.").waitFor();
  const question = posted(second, "Where is this?");
  await question.getByRole("button", { name: "Reply" }).click();
  await question.getByLabel("Comment", { exact: true }).fill("At the old pier.");
  await question.getByRole("button", { name: "Comment", exact: true }).click();
  await posted(second, "At the old pier.").getByText("Answer to @bob").waitFor();
  await posted(bob.page, "At the old pier.").getByText("Answer to @bob").waitFor();
  check((await question.locator("textarea").count()) === 0, "the answer is still being written");
  await second.screenshot({ path: `${shots}/post.png` });
  await second.locator("article.whole").getByRole("button", { name: "More about this post" }).click();
  await second.getByRole("menuitem", { name: "Delete" }).click();
  await bob.page.goto(base + "/");
  await posted(bob.page, "First light").waitFor({ state: "detached" });
  step("a deletion can be taken back, and then is for everybody");

  // What is written stays: through events, a change of place, a reload and the end of a session.
  await box(bob.page).fill("half a thought");
  await box(bob.page).focus();
  await say(second, "Something else arrives");
  await bob.page.getByRole("button", { name: "1 new post" }).waitFor();
  check(await bob.page.evaluate(() => document.activeElement?.tagName) === "TEXTAREA", "the focus is lost to an event");
  await bob.page.goto(base + "/people");
  await live(bob.page);
  await bob.page.getByRole("searchbox").fill("nobody by that name");
  await say(second, "And another while bob types");
  await bob.page.locator(".toast", { hasText: "And another" }).waitFor();
  check(await bob.page.evaluate(() => document.activeElement?.value) === "nobody by that name", "an event wiped what was being looked for");
  await bob.page.goto(base + "/");
  check((await box(bob.page).inputValue()) === "half a thought", "the draft is gone");
  await box(bob.page).fill("😀".repeat(3000));
  check((await box(bob.page).inputValue()).length === 6000, "a long text of emoji is cut");
  await box(bob.page).fill("half a thought");
  step("drafts stay");

  // An operator ends an account: what its followers see of it goes, without a reload.
  await bob.page.goto(base + "/@carol");
  await bob.page.getByRole("button", { name: "Follow", exact: true }).click();
  await bob.page.getByRole("button", { name: "Unfollow" }).waitFor();
  await bob.page.locator("a.brand").click();
  await carol.page.locator("a.brand").click();
  await say(carol.page, "The tide turns at six.");
  await bob.page.getByRole("button", { name: /new post/ }).click();
  await posted(bob.page, "The tide turns").waitFor();
  await fetch(process.env.OPERATOR + "/carol");
  await posted(bob.page, "The tide turns").waitFor({ state: "detached" });
  await carol.page.getByText("You have been signed out.").waitFor();
  await carol.page.getByRole("link", { name: "Log in" }).first().waitFor();
  await carol.context.close();
  step("an account has ended");

  // Logged out in one tab, out in all; and nobody goes on asking.
  const third = await alice.context.newPage();
  watch(third, "alice, third tab");
  await third.goto(base + "/");
  await live(third);
  await second.getByRole("button", { name: "Log out" }).click();
  await second.getByRole("link", { name: "Log in" }).first().waitFor();
  await third.getByRole("link", { name: "Log in" }).first().waitFor();
  const asked = [];
  third.on("request", (r) => asked.push(r.url()));
  await second.goto(base + "/notifications");
  await second.locator("input[name=password]").waitFor();
  check(!asked.some((u) => u.includes("/v1/events")), "a tab that is logged out goes on asking");
  check((await api(second, "GET", "/v1/me")).status === 401, "still signed in");
  step("logged out everywhere");

  clean(/ERR_FAILED .*\/like/);
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
