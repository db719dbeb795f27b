// Looks at every screen with axe-core: nothing serious, light and dark, wide and narrow, and nothing wider than the
// window, also from right to left. Called by go test with the site's address and a folder for screenshots.

import { readFileSync } from "node:fs";
import { api, check, launch, live, step, visitor, watch } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
const axe = readFileSync("node_modules/axe-core/axe.min.js", "utf8");

async function look(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }).then((r) => r.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join("\n    ")}`)));
  check(!found.length, `${name}:\n  ${found.join("\n  ")}`);
  const [wide, window_] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  check(wide <= window_, `${name} is ${wide} px wide in ${window_}`);
  await page.screenshot({ path: `${shots}/${name.replace(/\W+/g, "-")}.png` });
}

try {
  const alice = await visitor(browser, base, "alice");
  const bob = await visitor(browser, base, "bob");
  const ids = [];
  for (const text of ["A morning by the water, @bob #harbour https://example.org/a/rather/long/address/that/does/not/fit/on/a/phone",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "x".repeat(300)]) ids.push((await api(alice.page, "POST", "/v1/posts", { text })).body.id);
  await api(alice.page, "POST", "/v1/posts", { text: "Behind a word of warning", warning: "spoilers" });
  await api(bob.page, "POST", "/v1/posts", { text: "What a view", reply_to: ids[0] });
  await api(bob.page, "PUT", `/v1/posts/${ids[0]}/like`);
  const screens = ["/", "/local", "/people", "/@alice", "/@alice/followers", `/p/${ids[0]}`, "/notifications", "/settings",
    "/settings/security", "/settings/tokens", "/settings/webhooks", "/settings/appearance", "/p/none"];
  // The parts are the same on a phone: it is shown those screens that have all of them.
  const main = screens.filter((s) => ["/", "/@alice", `/p/${ids[0]}`, "/notifications", "/settings/webhooks"].includes(s));
  for (const [kind, paths, doors, options] of [["light", screens, ["/", "/@alice", `/p/${ids[0]}`, "/login", "/register"], {}],
    ["dark phone", main, ["/", "/register"], { colorScheme: "dark", viewport: { width: 390, height: 800 } }]]) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 850 }, ...options, storageState: await alice.context.storageState() });
    const page = await context.newPage();
    watch(page, kind);
    for (const path of paths) {
      await page.goto(base + path);
      await live(page);
      await page.locator(".spinner").first().waitFor({ state: "detached" });
      await look(page, `${kind} ${path.slice(0, 14)}`);
    }
    await page.goto(base + "/");
    await page.locator("article.post").first().waitFor();
    await page.getByRole("button", { name: "Write" }).click();
    await look(page, `${kind} writing`);
    await page.keyboard.press("Escape");
    await page.evaluate(() => { document.documentElement.dir = "rtl"; });
    await look(page, `${kind} from right to left`);
    await context.close();
    const guest = await (await browser.newContext({ viewport: { width: 1280, height: 850 }, ...options })).newPage();
    for (const path of doors) {
      await guest.goto(base + path);
      await guest.locator("main h1").first().waitFor({ state: "attached" });
      await guest.locator(".spinner").first().waitFor({ state: "detached" });
      await look(guest, `${kind} guest ${path.slice(0, 14)}`);
    }
    step(kind);
  }
  step("done");
} finally {
  await browser.close();
}
