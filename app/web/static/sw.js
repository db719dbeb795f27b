// Keeps the page itself on the device, so that it opens before the network answers, and without one. What it shows comes
// from the API and from what the page keeps; nothing of that passes through here.

const SHELL = "belfry-shell-2";

self.addEventListener("install", (e) => {
  e.waitUntil(caches.open(SHELL).then((c) => renew(c)).then(() => self.skipWaiting()));
});

// Fetches the page and what it names, all of one version, and drops what it no longer names.
async function renew(c) {
  const page = await fetch("/login", { cache: "no-cache" }); // the page without what one address shows
  if (!page.ok) return;
  const names = [...(await page.clone().text()).matchAll(/"(\/assets\/[^"]+)"/g)].map((m) => m[1]);
  await c.addAll(names.filter((n) => /\.(js|css|svg)/.test(n)));
  await c.put("/", page);
  for (const r of await c.keys()) {
    const url = new URL(r.url), name = url.pathname + url.search;
    if (name !== "/" && !names.includes(name)) await c.delete(r);
  }
}

self.addEventListener("activate", (e) => {
  e.waitUntil(caches.keys().then((all) => Promise.all(all.filter((k) => k !== SHELL).map((k) => caches.delete(k))))
    .then(() => self.clients.claim()));
});

// The kept page at once, and the newest one for the next time.
self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== location.origin) return;
  const page = e.request.mode === "navigate" && !/^\/(v1|docs|openapi|problems|media|assets|healthz|readyz)/.test(url.pathname);
  if (!page && !url.pathname.startsWith("/assets/")) return;
  e.respondWith(caches.open(SHELL).then(async (c) => {
    const kept = page ? await c.match("/") : await c.match(e.request, { ignoreSearch: !url.search });
    if (page) e.waitUntil(renew(c).catch(() => {})); // without a network there is nothing newer
    return kept || fetch(e.request);
  }));
});

// A notification that this worker raised, where pages may not.
self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  e.waitUntil(self.clients.openWindow(e.notification.data));
});
