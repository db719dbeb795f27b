// Drives /docs as a reader does: the introduction, the groups in order, and "try" of operations, signed in by the page
// itself. Prints a line for each step and ends with "done".

import { check, launch, step } from "./site.mjs";

const [base, executablePath, shots] = process.argv.slice(2);

const browser = await launch(executablePath);
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(60_000);
  const problems = [];
  page.on("pageerror", (err) => problems.push(err.message));
  page.on("console", (m) => { if (m.type() === "error") problems.push(m.text()); });
  page.on("request", (r) => { if (!r.url().startsWith(base) && !r.url().startsWith("data:")) problems.push(`asks ${r.url()}`); });
  await page.goto(base + "/docs");
  await page.getByRole("heading", { name: "Live events" }).waitFor();
  await page.screenshot({ path: `${shots}/docs.png` });
  const groups = await page.locator(".nav-bar-tag").allTextContents();
  check(groups.map((g) => g.trim().toLowerCase()).join(" ") === process.env.GROUPS, `groups: ${groups}`);
  step("introduction and groups");

  /** Tries an operation, with fields filled and the body set, and gives status and answer. */
  async function attempt(method, path, { fields = {}, body } = {}) {
    const name = `${method}-${path.replace(/[{}]/g, "-")}`, at = page.locator(`[id="${name}"]`);
    await page.goto(`${base}/docs#${name}`);
    await at.scrollIntoViewIfNeeded();
    for (const [name, value] of Object.entries(fields)) await at.locator(`[data-pname="${name}"]`).first().fill(value);
    if (body) await at.locator("textarea.request-body-param-user-input").first().fill(JSON.stringify(body));
    const answer = page.waitForResponse((r) => new URL(r.url()).pathname.startsWith("/v1/") && r.request().method() === method.toUpperCase(), { timeout: 20_000 });
    await at.getByRole("button", { name: "Try" }).click();
    const got = await answer;
    console.log(" ", method, new URL(got.url()).pathname + new URL(got.url()).search, got.status());
    await at.locator(".response-message, .response-panel").first().waitFor();
    return { status: got.status(), body: await got.json().catch(() => null) };
  }
  const want = (got, status) => check(got.status === status, `want ${status}, got ${got.status} ${JSON.stringify(got.body)}`);

  want(await attempt("get", "/v1/instance"), 200);
  want(await attempt("get", "/v1/me"), 401);
  problems.length = 0; // the browser notes a 401
  want(await attempt("post", "/v1/auth/register", { body: { username: "reader", password: "correct horse battery" } }), 201);
  const me = await attempt("get", "/v1/me");
  want(me, 200);
  step("signed in by the page itself");
  const post = await attempt("post", "/v1/posts", { body: { text: "Tried out, @reader" } });
  want(post, 201);
  const id = post.body.id;
  want(await attempt("get", "/v1/posts/{id}", { fields: { id } }), 200);
  want(await attempt("put", "/v1/posts/{id}/like", { fields: { id } }), 200);
  for (const path of ["/v1/timelines/home", "/v1/notifications", "/v1/notifications/counts", "/v1/tokens", "/v1/events"]) {
    want(await attempt("get", path), 200);
  }
  want(await attempt("delete", "/v1/posts/{id}", { fields: { id } }), 204);
  want(await attempt("post", "/v1/auth/logout"), 204);
  check(problems.length === 0, problems.join("; "));
  step("done");
} finally {
  await browser.close();
}
