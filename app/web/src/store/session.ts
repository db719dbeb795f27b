// Who is here, what the site is like, and the counts that the bell shows.

import { signal, computed } from "@preact/signals";
import { call, get, type Counts, type Instance, type Me } from "../api.js";
import type { State } from "../../client/src/index.js";

/** undefined = not known yet, null = a visitor. */
export const me = signal<Me | null | undefined>(undefined);
export const instance = signal<Instance | null>(null);
export const counts = signal<Counts | null>(null);
export const stream = signal<State | null>(null); // null = a visitor has none
export const online = signal(navigator.onLine);
export const unread = computed(() => counts.value?.unread ?? 0);

addEventListener("online", () => { online.value = true; });
addEventListener("offline", () => { online.value = false; });

let asked: ReturnType<typeof setTimeout> | undefined;

/** Fetches the counts, a little later, so that a burst of events asks once. */
export function recount() {
  clearTimeout(asked);
  asked = setTimeout(async () => {
    if (!me.peek()) return;
    try { counts.value = await get<Counts>("/v1/notifications/counts"); } catch { /* the next event asks anew */ }
  }, 120);
}

export async function logOut() {
  await call("POST", "/v1/auth/logout");
}

/** A minute's clock: relative times age by it. */
export const minute = signal(Date.now());
setInterval(() => { if (document.visibilityState === "visible") minute.value = Date.now(); }, 20_000);
document.addEventListener("visibilitychange", () => { minute.value = Date.now(); });
