// Drives the web client of somebody who follows an author with the bell on: it prints "live" when it listens, and at the
// end each toast and each figure that the bell has shown, as JSON. The last post is the one called "the last".

import { launch, sign, unread } from "./site.mjs";

const [base, login, password, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);
try {
  const page = await browser.newPage();
  await sign(page, base, login, false, password);
  await page.evaluate(() => {
    window.heard = { toasts: [], unread: [] };
    const watch = (id, note) => new MutationObserver((all) => all.forEach((m) => m.addedNodes.forEach(note)))
      .observe(document.getElementById(id), { childList: true });
    watch("toasts", (toast) => window.heard.toasts.push(toast.textContent));
    new MutationObserver(() => {
      const shown = document.querySelector(".nav a[href='/notifications']").getAttribute("aria-label");
      if (window.heard.unread.at(-1) !== shown) window.heard.unread.push(shown);
    }).observe(document.querySelector(".nav"), { subtree: true, attributes: true, childList: true, characterData: true });
  });
  console.log("live");
  await page.locator(".toast", { hasText: "the last" }).waitFor();
  await unread(page, 2);
  console.log(JSON.stringify(await page.evaluate(() => window.heard)));
} finally {
  await browser.close();
}
