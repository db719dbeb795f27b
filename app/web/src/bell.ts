// What rings: a toast, the number in the title and on the icon, and the browser's own notification when it was asked
// for.

import { effect, signal } from "@preact/signals";
import type { Note, Post } from "./api.js";
import { local } from "./router.js";
import { instance, unread } from "./store/session.js";
import { toast } from "./store/toasts.js";
import { t } from "./text.js";

const SAME = 5_000; // milliseconds in which one thing rings once: a post that names me comes as a post and as a mention
const TEXT = 140;
let rung: { about: string; at: number }[] = [];

/** Rings for a notification or for a post of somebody with the bell on. */
export function ring(x: Note | Post) {
  const note = "group" in x;
  const about = note ? x.object?.id ?? x.id : x.id;
  const now = Date.now();
  rung = rung.filter((r) => now - r.at < SAME);
  if (rung.some((r) => r.about === about) && (!note || x.type === "mention")) return;
  rung.push({ about, at: now });
  const text = note ? x.text : `\u2068${x.author!.display_name}\u2069: ${[...(x.warning || x.text || t.post.onlyPictures)].slice(0, TEXT).join("")}`;
  const href = local(x.url);
  if (location.pathname !== "/notifications" || !note) toast(text, { href, about: note ? x.group.key : about });
  if (told.peek() && Date.now() - Number(localStorage.getItem(LOOKED)) > LATELY) raise(text, about, href);
}

const LOOKED = "belfry looked", LATELY = 45_000; // when somebody last looked at a tab; milliseconds

/** Notes that somebody looks, for the other tabs: none rings beside the one that is looked at. */
function look() {
  if (document.visibilityState === "visible") localStorage.setItem(LOOKED, String(Date.now()));
  else localStorage.removeItem(LOOKED);
}

try {
  look();
  document.addEventListener("visibilitychange", look);
  setInterval(() => { if (document.visibilityState === "visible") look(); }, LATELY / 3);
} catch { /* a browser that keeps nothing */ }

function raise(body: string, tag: string, href: string) {
  const options = { body, tag, icon: "/assets/icon-192.png", data: href };
  const name = instance.peek()?.name ?? "Belfry";
  try {
    const shown = new Notification(name, options);
    shown.onclick = () => { focus(); location.assign(href); shown.close(); };
  } catch { // a phone: only its service worker may
    void navigator.serviceWorker?.ready.then((r) => r.showNotification(name, options));
  }
}

const KEY = "belfry notifications";

/** Whether the reader asked for notifications of the browser, and it lets us. */
export const told = signal(false);

function asked() {
  try {
    told.value = "Notification" in globalThis && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
  } catch { /* a browser that keeps nothing */ }
}
asked();

export async function ask(): Promise<boolean> {
  if (!("Notification" in globalThis) || (await Notification.requestPermission()) !== "granted") return false;
  localStorage.setItem(KEY, "on");
  asked();
  return true;
}

export function askNoMore() {
  localStorage.removeItem(KEY);
  asked();
}

/** The words of the title, which a view sets; the count is added here. */
let words = "";

export function title(text: string) {
  words = text;
  paint();
}

function paint() {
  const site = instance.value?.name ?? "Belfry", x = unread.value;
  document.title = (x ? `(${x > 99 ? "99+" : x}) ` : "") + (words ? `${words} · ${site}` : site);
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  const href = x ? "/assets/bell-unread.svg" : "/assets/bell.svg";
  if (icon && !icon.href.endsWith(href)) icon.href = href;
}

effect(paint);
