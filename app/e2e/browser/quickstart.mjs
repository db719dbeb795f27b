// Drives the page of docs/quickstart-web.md, which is on another origin than the site: it logs in, hears what comes, and
// what came while the site was away. Prints a line for each step, and then for each text it is shown.

import { chromium } from "playwright-core";

const [address, login, password, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
try {
  const page = await browser.newPage();
  page.on("pageerror", (err) => console.log(`error ${err.message}`));
  await page.goto(address);
  await page.locator("[name=login]").fill(login);
  await page.locator("[name=password]").fill(password);
  await page.getByRole("button").click();
  for (const text of ["followed you", "mentioned you in a post", "liked your post", "commented on your post"]) {
    await page.locator("li", { hasText: text }).waitFor({ timeout: 60000 });
    console.log(text);
  }
  await page.locator("form").waitFor({ timeout: 60000 });
  console.log("signed out");
} finally {
  await browser.close();
}
