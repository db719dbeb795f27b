// Pictures in the web client: chosen, pasted and dropped, described, posted, looked at, taken away; and a portrait.
// Called by go test with the site's address and a folder for screenshots.

import { api, broke, box, check, clean, launch, posted, step, visitor } from "./site.mjs";

const [base, shots, executablePath] = process.argv.slice(2);
const browser = await launch(executablePath);

/** A picture of so many pixels, as the browser writes it. */
const draw = (page, name, width, height, type = "image/jpeg") => page.evaluate(async ([width, height, type]) => {
  const c = Object.assign(document.createElement("canvas"), { width, height }), x = c.getContext("2d");
  const g = x.createLinearGradient(0, 0, width, height);
  g.addColorStop(0, "#f4c27a"); g.addColorStop(0.55, "#b5562f"); g.addColorStop(1, "#2a3550");
  x.fillStyle = g; x.fillRect(0, 0, width, height);
  x.fillStyle = "#ffffffcc"; x.beginPath(); x.arc(width * 0.7, height * 0.35, height / 8, 0, 7); x.fill();
  const b = await new Promise((done) => c.toBlob(done, type, 0.85));
  return [...new Uint8Array(await b.arrayBuffer())];
}, [width, height, type]).then((bytes) => ({ name, mimeType: type, buffer: Buffer.from(bytes) }));

try {
  const alice = await visitor(browser, base, "alice");
  const bob = await visitor(browser, base, "bob");
  await api(bob.page, "PUT", `/v1/users/${(await api(bob.page, "GET", "/v1/users/by-name/alice")).body.id}/follow`, {});
  const { page } = alice;
  await page.locator("a.brand").click();
  const photo = await draw(page, "harbour.jpg", 1600, 1200);
  await page.getByTestId("file").first().setInputFiles([photo, { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no") }]);
  await page.getByText("notes.txt is no picture").waitFor();
  const alt = page.getByLabel("Describe this picture");
  await alt.first().fill("A harbour in the evening");
  await alt.first().blur();
  // pasted, as from the clipboard, and dropped
  for (const [kind, name] of [["paste", "pasted.png"], ["drop", "dropped.jpg"]]) {
    const f = await draw(page, name, 900, 1200, kind === "paste" ? "image/png" : "image/jpeg");
    await box(page).evaluate((el, [kind, name, type, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], name, { type }));
      el.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }, [kind, name, f.mimeType, [...f.buffer]]);
  }
  await alt.nth(2).waitFor();
  await page.locator(".pictures .progress").first().waitFor({ state: "detached" });
  await page.screenshot({ path: `${shots}/composing.png` });
  await page.reload(); // a draft keeps its pictures
  await alt.nth(2).waitFor();
  await page.locator(".pictures li").nth(2).getByRole("button", { name: "Remove" }).click();
  await page.getByRole("button", { name: "Post", exact: true }).click(); // without a text
  await page.locator("article.post .gallery.of-2").waitFor();
  check(await page.locator("article.post .gallery img").first().getAttribute("alt") === "A harbour in the evening", "the description is lost");
  step("chosen, pasted, dropped, kept, posted");

  await bob.page.locator("a.brand").click();
  await bob.page.locator("article.post .gallery.of-2").waitFor();
  const first = bob.page.locator("article.post .gallery img").first();
  await first.evaluate((i) => i.decode());
  check(await first.evaluate((i) => i.naturalWidth) === 640, "the small picture is not 640 wide");
  await bob.page.screenshot({ path: `${shots}/pictures.png` });
  await bob.page.locator("article.post .picture").first().click();
  const view = bob.page.locator("dialog.viewer");
  await view.locator("img").evaluate((i) => i.decode());
  check(await view.locator("img").evaluate((i) => i.naturalWidth) === 1600, "the full picture is not 1600 wide");
  await bob.page.screenshot({ path: `${shots}/viewer.png` });
  await bob.page.keyboard.press("ArrowRight");
  await bob.page.getByRole("dialog", { name: "Picture 2 of 2" }).waitFor();
  const area = await view.locator(".stage").boundingBox();
  await bob.page.mouse.move(area.width / 3, area.height / 2);
  await bob.page.mouse.down();
  await bob.page.mouse.move(area.width / 1.5, area.height / 2);
  await bob.page.mouse.up();
  await bob.page.getByRole("dialog", { name: "Picture 1 of 2" }).waitFor();
  await bob.page.keyboard.press("Escape");
  await view.waitFor({ state: "detached" });
  step("looked at, by keys and by swiping");

  await page.goto(base + "/settings");
  await page.getByTestId("avatar").setInputFiles(await draw(page, "me.jpg", 800, 800));
  await page.locator("section.card img.avatar").waitFor();
  await page.locator(".nav .me img.avatar").waitFor();
  await bob.page.goto(base + "/@alice");
  await bob.page.locator(".person img.avatar").waitFor();
  await bob.page.getByRole("tab", { name: "Pictures" }).click();
  await bob.page.locator("article.post .gallery.of-2").waitFor();
  step("a portrait, and the pictures of a person");

  const phone = await visitor(browser, base, "carol", { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true });
  await phone.page.locator("main .camera").waitFor();
  await phone.page.getByTestId("camera").setInputFiles(await draw(phone.page, "photo.jpg", 1200, 1600));
  await phone.page.getByLabel("Describe this picture").fill("The pier");
  await phone.page.getByRole("button", { name: "Post", exact: true }).click();
  await phone.page.locator("article.post img[alt='The pier']").waitFor();
  check(!(await page.locator("main .camera").isVisible()), "a desk has no camera to hold up");
  step("a photo from a phone");

  const url = await bob.page.locator("article.post .gallery img").first().getAttribute("src");
  await page.goto(base + "/@alice");
  await page.getByRole("button", { name: "More about this post" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await posted(bob.page, "").first().waitFor({ state: "detached" });
  check((await fetch(new URL(url, base))).status === 404, "the file of a deleted post is there");
  clean();
  step("done");
} catch (err) {
  await broke(browser, shots);
  throw err;
} finally {
  await browser.close();
}
