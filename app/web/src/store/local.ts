// What a device keeps, so that the next visit paints before the network answers: the first page of the home timeline,
// the inbox, the counts, and the position they belong to.

import { del, get, set } from "idb-keyval";
import type { Counts, Me, Note, Post } from "../api.js";

export interface Kept { person: Me; posts: Post[]; notes: Note[]; counts: Counts; position: string }

const KEY = "belfry", VERSION = 1;

/** null = nothing, or of another version, or a browser that keeps nothing. */
export async function kept(): Promise<Kept | null> {
  try {
    const k = await get(KEY);
    return k?.version === VERSION ? k : null;
  } catch {
    return null;
  }
}

export async function keep(k: Kept): Promise<void> {
  try { await set(KEY, { ...k, version: VERSION }); } catch { /* it is a convenience */ }
}

export async function drop(): Promise<void> {
  try { await del(KEY); } catch { /* nothing was kept */ }
}

/** Keeps the page itself, for people who live here: it opens before the network answers, and without one. */
export async function keepShell(): Promise<void> {
  try { await navigator.serviceWorker?.register("/sw.js"); } catch { /* a browser that keeps nothing */ }
}

export async function dropShell(): Promise<void> {
  try {
    for (const r of await navigator.serviceWorker.getRegistrations()) await r.unregister();
    for (const name of await caches.keys()) await caches.delete(name);
  } catch { /* nothing was kept */ }
}
