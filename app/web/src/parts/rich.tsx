// A post's text with its links. Mentions and tags stand where the server found them; addresses are found here.
// Text only ever becomes text nodes.

import type { VNode } from "preact";
import type { Post } from "../api.js";

const ADDRESS = /https?:\/\/[^\s<>"'`{}|\\^\u2000-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\u3001\u3002\uff01\uff09\uff0c\uff1a\uff1b\uff1f\u300d\u300f\u3011]+/gi;

interface Span { start: number; end: number; href: string; text?: string; outside?: boolean }

/** Addresses in a text, by code points. What ends a sentence does not belong to one, nor a bracket it did not open. */
export function addresses(text: string): Span[] {
  const out: Span[] = [];
  for (const m of text.matchAll(ADDRESS)) {
    let found = m[0].replace(/[.,;:!?…]+$/, "");
    while (/[)\]]$/.test(found) && count(found, found.at(-1) === ")" ? "(" : "[") < count(found, found.at(-1)!)) {
      found = found.slice(0, -1).replace(/[.,;:!?…]+$/, "");
    }
    let url: URL;
    try { url = new URL(found); } catch { continue; }
    if (!url.hostname.includes(".") && url.hostname !== "localhost" && !url.hostname.startsWith("[")) continue;
    const start = [...text.slice(0, m.index)].length;
    out.push({ start, end: start + [...found].length, href: url.href, text: short(url), outside: true });
  }
  return out;
}

const count = (s: string, c: string) => s.split(c).length - 1;

/** An address as it is shown: its host and the beginning of the rest. */
function short(url: URL): string {
  let rest = url.pathname + url.search + url.hash;
  try { rest = decodeURI(rest); } catch { /* shown as it is */ }
  const shown = url.host + (rest === "/" ? "" : rest);
  return [...shown].length > 42 ? [...shown].slice(0, 41).join("") + "…" : shown;
}

export function Rich({ of }: { of: Pick<Post, "text" | "mentions" | "tags"> }) {
  const points = [...of.text];
  const marked: Span[] = [
    ...of.mentions.map((m) => ({ start: m.start, end: m.end, href: `/@${m.username}` })),
    ...of.tags.map((g) => ({ start: g.start, end: g.end, href: `/tags/${encodeURIComponent(g.tag)}` })),
  ];
  const inside = (s: Span, list: Span[]) => list.some((x) => s.start < x.end && x.start < s.end);
  const links = addresses(of.text);
  const spans = [...links, ...marked.filter((s) => !inside(s, links))].sort((a, b) => a.start - b.start);
  const out: (string | VNode)[] = [];
  let at = 0;
  for (const s of spans) {
    if (s.start < at) continue;
    out.push(points.slice(at, s.start).join(""));
    const text = s.text ?? points.slice(s.start, s.end).join("");
    out.push(s.outside ? <a href={s.href} rel="nofollow noopener noreferrer ugc" target="_blank" title={s.href}>{text}</a>
      : <a href={s.href}>{text}</a>);
    at = s.end;
  }
  out.push(points.slice(at).join(""));
  return <>{out}</>;
}
