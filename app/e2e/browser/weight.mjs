// How heavy the page is, and how long it takes until the feed stands there, on the network and the processor of a phone:
// 1.6 Mbit/s down, 750 kbit/s up, 150 ms, a quarter of this processor. Prints a line of JSON for each kind of visit and
// ends with "done". Called by go test with the site's address, a name and a password, and how many turns to take.

import { launch, leaves, live, step } from "./site.mjs";

const [base, name, password, turns, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);

async function visit(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 93_750 });
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  const began = performance.now();
  await page.goto(base + "/", { waitUntil: "commit" });
  await page.locator("article.post").first().waitFor();
  const ms = Math.round(performance.now() - began);
  await page.waitForLoadState("load");
  const { bytes, requests } = await page.evaluate(() => { // what came from the network, events not counted
    const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter((e) => e.transferSize);
    return { bytes: all.reduce((sum, e) => sum + e.transferSize, 0), requests: all.length };
  });
  return { ms, bytes, requests };
}

const seen = { visitor: [], cold: [], warm: [] };
try {
  for (let i = 0; i < Number(turns); i++) {
    const guest = await browser.newContext();
    seen.visitor.push(await visit(await guest.newPage()));
    await guest.close();
    const context = await browser.newContext();
    let page = await context.newPage();
    await page.goto(base + "/login");
    await page.locator("input[name=username]").fill(name);
    await page.locator("input[name=password]").fill(password);
    await page.locator(".sign form button[type=submit]").click();
    await live(page);
    await page.locator("article.post").first().waitFor();
    const cold = await browser.newContext({ storageState: await context.storageState() }); // signed in, nothing kept
    seen.cold.push(await visit(await cold.newPage()));
    await cold.close();
    await page.evaluate(() => navigator.serviceWorker.ready);
    await leaves(page);
    await page.close();
    page = await context.newPage();
    seen.warm.push(await visit(page));
    await context.close();
  }
  for (const [kind, list] of Object.entries(seen)) {
    list.sort((a, b) => a.ms - b.ms);
    console.log(JSON.stringify({ kind, ...list[list.length >> 1], all_ms: list.map((x) => x.ms) }));
  }
  step("done");
} finally {
  await browser.close();
}
