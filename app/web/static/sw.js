// Keeps the page itself on the device, so that it opens before the network answers, and without one. What it shows comes
// from the API and from what the page keeps; nothing of that passes through here.

const SHELL = "belfry-shell-1";
const FILES = ["/", "/assets/app.js", "/assets/app.css", "/assets/bell.svg"];

self.addEventListener("install", (e) => {
  e.waitUntil(caches.open(SHELL).then((c) => c.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (e) => {
  e.waitUntil(caches.keys().then((all) => Promise.all(all.filter((k) => k !== SHELL).map((k) => caches.delete(k))))
    .then(() => self.clients.claim()));
});

// The kept page at once, and the newest one for the next time.
self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== location.origin) return;
  const page = e.request.mode === "navigate" && !/^\/(v1|docs|openapi|problems|media|assets|healthz|readyz)/.test(url.pathname);
  const name = page ? "/" : url.pathname;
  if (!page && !FILES.includes(name)) return;
  e.respondWith(caches.open(SHELL).then(async (c) => {
    const fresh = fetch(page ? "/" : e.request).then((a) => { if (a.ok) void c.put(name, a.clone()); return a; });
    const kept = await c.match(name);
    if (!kept) return fresh;
    e.waitUntil(fresh.catch(() => {}));
    return kept;
  }));
});
