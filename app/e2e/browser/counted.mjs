// Drives the web client of somebody who follows an author with the bell on: it prints "live" when it listens, and at the
// end each toast and each figure that the bell has shown, as JSON. The last post is the one called "the last".

import { chromium } from "playwright-core";

const [base, login, password, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
try {
  const page = await browser.newPage();
  await page.goto(base + "/");
  await page.getByLabel("Name").fill(login);
  await page.getByLabel(/Password/).fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("live", { exact: true }).waitFor();
  await page.evaluate(() => {
    window.heard = { toasts: [], unread: [] };
    const watch = (id, note) => new MutationObserver((all) => all.forEach((m) => m.addedNodes.forEach(note)))
      .observe(document.getElementById(id), { childList: true });
    watch("toasts", (toast) => window.heard.toasts.push(toast.textContent));
    watch("top", () => {
      const shown = document.getElementById("bell").getAttribute("aria-label");
      if (window.heard.unread.at(-1) !== shown) window.heard.unread.push(shown);
    });
  });
  console.log("live");
  await page.locator(".toast", { hasText: "the last" }).waitFor();
  await page.getByLabel("Notifications, 2 unread").waitFor();
  console.log(JSON.stringify(await page.evaluate(() => window.heard)));
} finally {
  await browser.close();
}
