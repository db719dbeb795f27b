// Runs a script in a page of the site, as somebody who is signed in, and prints "ready" and then what it logs.

import { launch } from "./site.mjs";

const [base, cookie, script, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
try {
  const context = await browser.newContext();
  const [name, value] = cookie.split("=");
  await context.addCookies([{ name, value, url: base }]);
  const page = await context.newPage();
  await page.goto(base + "/robots.txt");
  const logged = page.waitForEvent("console");
  await page.evaluate(`(${new Function(`${script}; return new Promise((open) => events.addEventListener("ready", open));`)})().then(() => 0)`);
  console.log("ready");
  console.log((await logged).text());
} finally {
  await browser.close();
}
