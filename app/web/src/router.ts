// Where the reader is. Paths are the site's own; Back finds the place of before.

import { signal } from "@preact/signals";

export interface Place { path: string; query: URLSearchParams; hash: string; key: string; back: boolean }

interface Anchor { item: string; top: number }

const anchors = new Map<string, Anchor>(); // by Place.key
let counter = 0;
let from = "/"; // the last place that was not a door

history.scrollRestoration = "manual";
if (!history.state?.key) history.replaceState({ key: fresh(), depth: 0 }, "");

function fresh(): string { return `${performance.timeOrigin}-${counter++}`; }

function read(back: boolean): Place {
  let path = location.pathname;
  try { path = decodeURIComponent(path); } catch { /* left as it is */ }
  return { path, query: new URLSearchParams(location.search), hash: location.hash, key: history.state?.key ?? "", back };
}

export const place = signal<Place>(read(false));

/** Goes to an address of this site. */
export function go(href: string, replace = false) {
  const to = new URL(href, location.href);
  if (to.origin !== location.origin) return location.assign(to);
  remember();
  if (!DOORS.test(location.pathname)) from = location.pathname + location.search;
  const depth: number = history.state?.depth ?? 0;
  const same = to.pathname + to.search === location.pathname + location.search;
  history[replace || same ? "replaceState" : "pushState"]({ key: fresh(), depth: replace || same ? depth : depth + 1 }, "", to);
  arrive(false);
  scrollTo(0, 0);
  if (!replace) document.getElementById("main")?.focus({ preventScroll: true });
}

const DOORS = /^\/(login|register)$/;

/** Leaves a door for where the reader came from. A page that had a door in it stays. */
export function goIn() {
  if (DOORS.test(location.pathname)) go(from, true);
}

function arrive(back: boolean) {
  place.value = read(back);
  current = place.peek().key;
  wanted = back ? anchors.get(current) ?? null : null;
}

/** Back within the site, or to its start when the reader came from elsewhere. */
export function back() {
  if (history.state?.depth) history.back();
  else go("/", true);
}

let current = place.peek().key;
let wanted: Anchor | null = null; // where the reader was, until the view shows it

/** Keeps which item stands where, for the way back. */
function remember() {
  for (const el of document.querySelectorAll<HTMLElement>("[data-item]")) {
    const box = el.getBoundingClientRect();
    if (box.bottom > 60) {
      anchors.set(current, { item: el.dataset.item!, top: box.top });
      if (anchors.size > 60) anchors.delete(anchors.keys().next().value!);
      return;
    }
  }
}

/** Called by a view when it has drawn its items: once after a way back it puts the reader where they were. */
export function restore() {
  const anchor = wanted;
  const find = () => anchor && document.querySelector<HTMLElement>(`[data-item="${CSS.escape(anchor.item)}"]`);
  if (!anchor || !find()) return;
  wanted = null;
  const settle = (left: number) => { // heights of what is not on the screen are guesses until it is
    const el = find();
    if (!el) return;
    scrollBy(0, el.getBoundingClientRect().top - anchor.top);
    if (left) requestAnimationFrame(() => settle(left - 1));
  };
  settle(20);
}

addEventListener("popstate", () => {
  remember();
  arrive(true);
});

/** Pages that this program shows; everything else on the site is left to the browser. */
const OURS = /^\/(?:$|@[^/]+(?:\/(?:followers|following))?$|p\/[^/]+$|tags\/[^/]+$|notifications$|people$|local$|login$|register$|settings(?:\/[a-z]+)?$)/;

export const ours = (url: URL): boolean => url.origin === location.origin && OURS.test(url.pathname);

document.addEventListener("click", (e) => {
  const a = (e.target as Element).closest?.<HTMLAnchorElement>("a[href]");
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.target) return;
  const url = new URL(a.href);
  if (!ours(url) || a.hasAttribute("download")) return;
  e.preventDefault();
  go(url.href);
});

/** The address of something that was pushed or notified: a place of ours as a path, everything else as it is. */
export function local(href: string): string {
  let url: URL;
  try { url = new URL(href, location.href); } catch { return "/"; }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "/";
  return ours(url) ? url.pathname + url.search + url.hash : url.href;
}
