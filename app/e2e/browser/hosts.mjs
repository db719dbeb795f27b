// Drives the web client over plain http under a name of the local network, which browsers do not trust: they send no
// Sec-Fetch-Site there and have no Web Locks. Two sites share the name and differ by port. Prints one line for each
// step and ends with "done". Called by go test with both addresses.

import { check, launch, live, say, sign as signIn, step } from "./site.mjs";

const [first, second, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath, "--host-resolver-rules=MAP nas.test 127.0.0.1");

async function sign(page, site, name, anew) {
  await signIn(page, site, name, anew);
  await page.locator(`.nav a.self[href="/@${name}"]`).waitFor();
}

try {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  const refused = [];
  page.on("response", (r) => { if (r.status() === 403) refused.push(r.url()); });
  await page.goto(first + "/");
  check(!(await page.evaluate(() => isSecureContext)), "the browser trusts this name");
  await sign(page, first, "alice", true);
  await say(page, "Said in the local network");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("link", { name: "Log in" }).first().waitFor();
  await page.reload();
  await sign(page, first, "alice");
  check(refused.length === 0, `refused: ${refused}`);
  step("registered, posted, logged out and in");

  const other = await context.newPage();
  await sign(other, second, "bob", true);
  await page.reload();
  await live(page);
  await page.locator('.nav a.self[href="/@alice"]').waitFor();
  step("signed in at two sites of one name");

  for (const [what, path, init] of [
    [413, "/v1/posts", { method: "POST", size: 5 << 20 }],
    [431, "/v1/instance?" + "x".repeat(20 << 10), {}],
    [404, "/v1/nowhere", { headers: { "Cache-Control": "no-cache" } }],
  ]) {
    const got = await other.evaluate(async ([url, init]) => {
      const ask = () => fetch(url, init.size ? { ...init, body: "x".repeat(init.size) } : init).then((r) => r.json()).then((p) => p.status, String);
      return [await ask(), await ask(), await ask()];
    }, [first + path, init]);
    check(got.every((s) => s === what), `a page of another origin reads ${got} instead of ${what}`);
  }
  step("a page of another origin reads refusals");

  await page.goto(first + "/%40alice");
  await page.getByRole("heading", { name: "alice" }).waitFor();
  await page.goto(first + "/nowhere");
  await page.getByRole("heading", { name: "Not found" }).waitFor();
  step("encoded names and unknown paths are pages");
  console.log("done");
} finally {
  await browser.close();
}
