// What was written and not sent, kept on this device by person and place: it outlives navigation, reload, log-out and a
// session that ended.

import type { Visibility } from "../api.js";

export interface Draft { text: string; visibility: Visibility; warning: string; media: { id: string; url: string; alt: string }[] }

export const NONE: Draft = { text: "", visibility: "public", warning: "", media: [] };

const KEPT_DAYS = 30;
const at = (person: string, place: string) => `belfry draft ${person} ${place}`;

export function draft(person: string, place: string): Draft {
  try {
    const d = JSON.parse(localStorage.getItem(at(person, place)) || "null");
    return d && Date.now() - d.at < KEPT_DAYS * 86_400_000 ? { ...NONE, ...d } : { ...NONE };
  } catch {
    return { ...NONE };
  }
}

export function keepDraft(person: string, place: string, d: Draft) {
  try {
    if (!d.text && !d.media.length && !d.warning) localStorage.removeItem(at(person, place));
    else localStorage.setItem(at(person, place), JSON.stringify({ ...d, at: Date.now() }));
  } catch { /* a full or forbidden store: the draft lives as long as the page */ }
}
