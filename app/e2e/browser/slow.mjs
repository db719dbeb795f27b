// The web client on a slow network: what is done shows at once, is done once, and says how far it is. Called by go test
// with the site's address and a folder for screenshots.

import { api, box, broke, check, clean, launch, live, posted, sign, step, visitor, watch } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);

/** A network of so many milliseconds and bytes a second; nothing = as it is. */
async function network(page, latency = 0, bytes = -1) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.emulateNetworkConditions", { offline: false, latency, downloadThroughput: bytes, uploadThroughput: bytes });
}

try {
  await visitor(browser, base, "bob").then(async ({ page, context }) => {
    for (let i = 0; i < 5; i++) await api(page, "POST", "/v1/posts", { text: `number ${i}` });
    await context.close();
  });
  const context = await browser.newContext();
  const page = await context.newPage();
  watch(page, "alice");
  await network(page, 400, 50_000);
  await page.goto(base + "/"); // cold, on something like an old phone's network
  await posted(page, "number 4").waitFor();
  step("a visitor reads");
  await sign(page, base, "alice", true);
  step("an account");

  await box(page).fill("written once");
  await page.getByRole("button", { name: "Post", exact: true }).dblclick();
  await posted(page, "written once").waitFor();
  await page.goto(base + "/local");
  await posted(page, "written once").waitFor();
  check((await posted(page, "written once").count()) === 1, "two clicks made two posts");
  step("two clicks are one post");

  const like = posted(page, "number 4").locator("button.like");
  await network(page, 5_000, 50_000);
  await like.click();
  check((await like.getAttribute("aria-pressed")) === "true", "a like waits for the network");
  const undone = page.waitForResponse((r) => r.request().method() === "DELETE" && r.url().endsWith("/like"));
  await like.click();
  check((await like.getAttribute("aria-pressed")) === "false", "taking it back waits for the network");
  await like.evaluate((el) => {
    globalThis.flips = [];
    new MutationObserver(() => flips.push(el.getAttribute("aria-pressed"))).observe(el, { attributes: true });
  });
  await network(page, 400, 50_000);
  await undone;
  await page.waitForFunction(async () => { // what the server has in the end
    const { items } = await fetch("/v1/timelines/local").then((r) => r.json());
    return !items.find((p) => p.text === "number 4").viewer.liked;
  });
  const flips = await page.evaluate(() => flips.filter((f) => f === "true").length);
  check((await like.getAttribute("aria-pressed")) === "false" && !flips, "a late answer undid what was clicked after it");
  step("a like does not wait");

  const photo = await page.evaluate(async () => { // noise, so that it is large
    const c = Object.assign(document.createElement("canvas"), { width: 700, height: 500 }), x = c.getContext("2d");
    const d = x.createImageData(700, 500);
    for (let i = 0; i < d.data.length; i += 65_536) crypto.getRandomValues(d.data.subarray(i, i + 65_536));
    x.putImageData(d, 0, 0);
    return [...new Uint8Array(await (await new Promise((done) => c.toBlob(done, "image/jpeg", 0.8))).arrayBuffer())];
  });
  await page.locator("a.brand").click();
  await page.getByTestId("file").first().setInputFiles({ name: "noise.jpg", mimeType: "image/jpeg", buffer: Buffer.from(photo) });
  await page.getByText(/^Uploading, \d+ %$/).first().waitFor();
  check(await page.getByRole("button", { name: "Post", exact: true }).isDisabled(), "it can be posted without its picture");
  await page.screenshot({ path: `${shots}/uploading.png` });
  await page.getByLabel("Describe this picture").fill("Noise");
  await page.locator(".pictures .progress").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Post", exact: true }).click();
  await page.locator("article.post img[alt=Noise]").waitFor();
  step("an upload says how far it is");
  await live(page);

  clean();
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
