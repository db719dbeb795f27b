// What was written and not sent, by person and place: one in a page, however many composers show it, and the same in
// every tab. It is kept on this device, and outlives navigation, reload, log-out and a session that ended. Pictures go on
// being sent wherever the reader is.

import { signal, type Signal } from "@preact/signals";
import { call, key, prepared, Problem, upload, type Media, type Visibility } from "../api.js";
import { t } from "../text.js";

/** A picture on its way: bytes are sent at once, the description can still be written. */
export interface Picture { id: string; name: string; url: string; alt: string; percent: number | null; problem: string; media: string;
  /** The description that the server has. */
  told: string;
  /** What can be sent again. */
  file?: File }

export interface Draft { where: string; text: string; visibility: Visibility; warn: boolean; warning: string; pictures: readonly Picture[];
  /** What a change of a post began with. */
  base: { text: string; warning: string } | null;
  /** What was sent last, and its key: sent again, it makes no second post. */
  sent: { key: string; body: string } | null;
  busy: boolean; problem: string }

const NONE: Omit<Draft, "where"> = { text: "", visibility: "public", warn: false, warning: "", pictures: [], base: null, sent: null,
  busy: false, problem: "" };
const KEPT_DAYS = 30;
const MOST = 200;
const drafts = new Map<string, Signal<Draft>>();

export function draft(person: string, place: string): Signal<Draft> {
  const where = `belfry draft ${person} ${place}`;
  let s = drafts.get(where);
  if (!s) {
    drafts.set(where, (s = signal(read(where) ?? { ...NONE, where })));
    if (drafts.size > MOST) drafts.delete(drafts.keys().next().value!);
    s.peek().pictures.forEach((p) => look(s!, p));
  }
  return s;
}

const kept = (p: Picture) => ({ id: p.media, name: p.name, url: p.url, alt: p.alt });

function read(where: string): Draft | null {
  try {
    const d = JSON.parse(localStorage.getItem(where) || "null");
    if (!d || Date.now() - d.at > KEPT_DAYS * 86_400_000) return null;
    const pictures = d.media.map((m: ReturnType<typeof kept>): Picture => ({ ...m, media: m.id, percent: null, problem: "", told: "" }));
    return { ...NONE, warn: !!d.warning, ...d, where, pictures };
  } catch {
    return null;
  }
}

/** Whether nothing would be lost with it. */
export const idle = (d: Draft): boolean => d.base ? d.text === d.base.text && d.warning === d.base.warning
  : !d.text && !d.warning && !d.pictures.length;

export function change(s: Signal<Draft>, more: Partial<Draft>) {
  const d = s.value = { ...s.peek(), ...more };
  const { where, text, visibility, warn, warning, base, sent } = d;
  try {
    if (idle(d)) localStorage.removeItem(where);
    else localStorage.setItem(where, JSON.stringify({ text, visibility, warn, warning, base, sent,
      media: d.pictures.filter((p) => p.media).map(kept), at: Date.now() }));
  } catch { /* a full or forbidden store: the draft lives as long as the page */ }
}

/** Empties a draft that was sent, unless another tab has written on. */
export function finish(s: Signal<Draft>) {
  const { where, text, visibility, base } = s.peek(), now = read(where);
  change(s, now && !base && now.text !== text ? now : { ...NONE, visibility });
}

/** Another tab has written on, or sent it. */
addEventListener("storage", (e) => {
  const s = drafts.get(e.key ?? ""), d = s?.peek();
  if (!d || d.busy || d.base) return;
  const now = read(d.where) ?? { ...d, ...NONE, visibility: d.visibility };
  s!.value = { ...now, pictures: [...now.pictures.map((p) => ({ ...(d.pictures.find((x) => x.media === p.media) ?? p), alt: p.alt })),
    ...d.pictures.filter((x) => !x.media)] };
});

const stops = new Map<string, AbortController>();

export function patch(s: Signal<Draft>, id: string, more: Partial<Picture>) {
  const pictures = s.peek().pictures.map((p) => (p.id === id ? { ...p, ...more } : p));
  if (more.percent) s.value = { ...s.peek(), pictures }; // too often to be kept
  else change(s, { pictures });
}

export function attach(s: Signal<Draft>, file: File) {
  const p: Picture = { id: key(), name: file.name, url: URL.createObjectURL(file), alt: "", percent: 0, problem: "", media: "", told: "", file };
  change(s, { pictures: [...s.peek().pictures, p] });
  void send(s, p);
}

export async function send(s: Signal<Draft>, p: Picture) {
  const stop = new AbortController();
  stops.set(p.id, stop);
  patch(s, p.id, { percent: 0, problem: "" });
  try {
    const m = await prepared(await upload(p.file!, p.id, (percent) => patch(s, p.id, { percent }), stop.signal), stop.signal);
    patch(s, p.id, { media: m.id, percent: null, url: m.preview_url ?? p.url, file: undefined });
  } catch (err) {
    const { message, status } = err as Problem;
    patch(s, p.id, { problem: message, percent: null, ...(status > 399 && status < 429 && { file: undefined }) }); // it will not be taken
  }
  stops.delete(p.id);
}

export function detach(s: Signal<Draft>, p: Picture) {
  stops.get(p.id)?.abort();
  stops.delete(p.id);
  if (p.url.startsWith("blob:")) URL.revokeObjectURL(p.url);
  change(s, { pictures: s.peek().pictures.filter((x) => x.id !== p.id) });
  if (p.media) call("DELETE", `/v1/media/${p.media}`).catch(() => {}); // else it goes by itself after a day
}

/** Sends a description; while the picture is on its way it waits until the post is sent. */
export async function describe(s: Signal<Draft>, p: Picture) {
  if (!p.media || p.alt === p.told) return;
  try {
    await call("PATCH", `/v1/media/${p.media}`, { alt: p.alt });
    patch(s, p.id, { told: p.alt });
  } catch (err) {
    const { message, status } = err as Problem;
    if (status) patch(s, p.id, { problem: status === 404 ? t.compose.gone : message });
    throw err;
  }
}

/** Asks whether a picture is still there: one that no post has taken goes after a day. */
function look(s: Signal<Draft>, p: Picture) {
  call<Media>("GET", `/v1/media/${p.media}`).catch((err) => { if (err.status === 404) patch(s, p.id, { problem: t.compose.gone }); });
}
