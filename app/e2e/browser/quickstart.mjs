// Drives the pages of docs/quickstart-web.md, which are on another origin than the site: signs in, and prints what bell,
// toast and list show, in the order in which the test makes it happen.

import { launch } from "./site.mjs";

const [address, login, password, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
const timeout = 60_000;
try {
  const page = await browser.newPage();
  page.on("pageerror", (err) => console.log(`error ${err.message}`));
  await page.goto(address);
  await page.locator("[name=login]").fill(login);
  await page.locator("[name=password]").fill("not " + password);
  const refused = page.waitForEvent("dialog", { timeout });
  page.getByRole("button").click();
  await (await refused).dismiss();
  await page.locator("[name=password]").fill(password);
  await page.getByRole("button").click();
  const bell = async (n) => {
    await page.getByRole("link", { name: `Notifications: ${n}`, exact: true }).waitFor({ timeout });
    console.log(`bell ${n}`);
  };
  const toast = async (text) => {
    const shown = page.getByRole("status").getByRole("link").filter({ hasText: text });
    await shown.waitFor({ timeout });
    await shown.hover(); // it stays while somebody looks at it
    console.log(`toast ${text}`);
  };
  const list = async (other, ...texts) => {
    await other.waitForFunction((want) => want === [...document.querySelectorAll("li")].map((li) => li.textContent.replace(/^\S+ /, "")).join(", "),
      texts.join(", "), { timeout });
    console.log(`list ${texts.join(", ")}`);
  };
  await bell(1);
  await toast("mentioned you in a post");
  await bell(2);
  const [other] = await Promise.all([page.waitForEvent("popup"), page.evaluate(() => { window.open("/list.html"); })]);
  other.on("pageerror", (err) => console.log(`error ${err.message}`));
  await list(other, "mentioned you in a post", "followed you");
  await toast("liked your post");
  await bell(3);
  await list(other, "liked your post", "mentioned you in a post", "followed you");
  await bell(2);
  await list(other, "mentioned you in a post", "followed you");
  await page.locator("form").waitFor({ timeout });
  console.log("signed out");
} finally {
  await browser.close();
}
