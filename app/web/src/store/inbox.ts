// The inbox: groups of notifications, newest first, and what events and marks do to them.

import { computed, signal } from "@preact/signals";
import { call, get, pageOf, Problem, type Counts, type Note } from "../api.js";
import { counts, recount } from "./session.js";
import { toast } from "./toasts.js";
import type { EventData } from "../../client/src/index.js";
import type { Phase } from "./lists.js";

export type Filter = "all" | "unread" | "mentions" | "archived";

const QUERY: Record<Filter, string> = { all: "", unread: "&state=unread", mentions: "&types=mention", archived: "&state=archived" };

export const filter = signal<Filter>("all");
export const notes = signal<readonly Note[]>([]);
export const phase = signal<Phase>("empty");
export const problem = signal<Problem | null>(null);
export const more = signal(false);

let next: string | null = null, turn = 0, busy = false;
let overtaken = false; // an event came while the first page was on its way: the page may be older

const path = () => `/v1/notifications?grouped=true${QUERY[filter.peek()]}`;

export async function load() {
  const mine = ++turn;
  busy = true;
  overtaken = false;
  if (!notes.peek().length) phase.value = "loading";
  try {
    const page = await pageOf<Note>(path(), null);
    if (mine !== turn) return;
    // Pages that the reader has gone through stay, as far as the first one meets them.
    const keys = new Set(page.items.map((x) => x.group.key)), old = notes.peek();
    const tail = old.slice(old.findLastIndex((x) => keys.has(x.group.key)) + 1);
    const meets = tail.length < old.length && tail.length > 0;
    notes.value = meets ? [...page.items, ...tail] : page.items;
    if (!meets) next = page.next;
    more.value = !!next;
    phase.value = "ready";
    if (overtaken) return void load();
    seen();
  } catch (err) {
    if (mine !== turn) return;
    problem.value = err as Problem;
    phase.value = "failed";
  } finally {
    if (mine === turn) busy = false;
  }
}

let soon: ReturnType<typeof setTimeout> | undefined;

/** Fetches the list anew a little later, if somebody has looked at it, so that a burst of events asks once. */
export function later() {
  clearTimeout(soon);
  soon = setTimeout(() => { if (phase.peek() !== "empty") void load(); }, 300);
}

export async function further() {
  if (!next || busy) return new Promise<void>((done) => setTimeout(done, 200)); // then it is asked again
  const mine = turn;
  busy = true;
  try {
    const page = await pageOf<Note>(path(), next);
    if (mine !== turn) return;
    const have = new Set(notes.peek().map((x) => x.group.key));
    notes.value = [...notes.peek(), ...page.items.filter((x) => !have.has(x.group.key))];
    next = page.next;
    more.value = !!next;
  } catch (err) {
    toast((err as Error).message);
  } finally {
    if (mine === turn) busy = false;
  }
}

export function choose(f: Filter) {
  filter.value = f;
  notes.value = [];
  phase.value = "empty";
  void load();
}

/** Whoever looks at the list has seen what is new in it. */
function seen() {
  const first = notes.peek()[0];
  if (filter.peek() !== "all" || !first || !counts.peek()?.unseen || document.visibilityState !== "visible") return;
  call<Counts>("POST", "/v1/notifications/seen", { up_to: first.id }).then((a) => { counts.value = a.body; }, () => {});
}

const wanted = (x: Note): boolean => {
  switch (filter.peek()) {
    case "unread": return !x.is_read;
    case "mentions": return x.type === "mention";
    case "archived": return !!x.archived_at;
    default: return !x.archived_at;
  }
};

/** Takes in a notification that came, or came again: it takes the place of its group. */
export function arrive(x: Note, alert: boolean) {
  overtaken = true;
  if (phase.peek() !== "ready") return;
  const rest = notes.peek().filter((y) => y.group.key !== x.group.key);
  const at = alert || rest.length === notes.peek().length ? 0 : notes.peek().findIndex((y) => y.group.key === x.group.key);
  if (wanted(x)) notes.value = [...rest.slice(0, at), x, ...rest.slice(at)];
  else if (rest.length !== notes.peek().length) notes.value = rest;
  if (alert && onScreen()) seen();
  // What the reader sees because of a follow alone has its text in the list only.
  if (x.object && x.object.kind !== "user" && !x.object.excerpt) {
    get<Note>(`/v1/notifications/${x.id}`).then((y) => replace(y), () => {});
  }
}

const onScreen = () => location.pathname === "/notifications";

function replace(x: Note) {
  notes.value = notes.peek().map((y) => (y.group.key === x.group.key ? x : y));
}

export function removed(d: EventData["notification.removed"]) {
  overtaken = true;
  if (d.object_id) notes.value = notes.peek().filter((x) => x.object?.id !== d.object_id);
  if (d.group && d.group.count === 0) notes.value = notes.peek().filter((x) => x.group.key !== d.group!.key);
  else if (d.group) { // the newest member, and who is named, may be another now
    const old = notes.peek().find((x) => x.group.key === d.group!.key);
    if (old) void load();
  } else if (d.id) notes.value = notes.peek().filter((x) => x.id !== d.id);
}

export function dropPost(id: string) {
  overtaken = true;
  notes.value = notes.peek().filter((x) => x.object?.id !== id);
}

const now = () => new Date().toISOString();

/** What another device did. */
export function marked(d: EventData["read_state"]) {
  counts.value = d.counts;
  overtaken = true;
  const list = notes.peek();
  const upTo = d.up_to ? list.findIndex((x) => x.id === d.up_to) : -1;
  const hit = (x: Note, i: number) => (d.ids ? d.ids.includes(x.id) : d.group ? x.group.key === d.group
    : upTo >= 0 ? i >= upTo : x.id <= d.up_to!); // ids are made in time: the mark is not in this list
  const change = (x: Note): Note => {
    switch (d.change) {
      case "seen": return { ...x, seen_at: x.seen_at ?? now() };
      case "read": return { ...x, is_read: true, seen_at: x.seen_at ?? now(), read_at: x.read_at ?? now() };
      case "unread": return { ...x, is_read: false, read_at: null };
      case "archived": return { ...x, is_read: true, archived_at: now() };
      default: return { ...x, archived_at: null };
    }
  };
  // What is read stays where it is under "unread" until the list is taken anew: nothing slips away under the pointer.
  const keep = (x: Note) => filter.peek() === "unread" || wanted(x);
  notes.value = list.map((x, i) => (hit(x, i) ? change(x) : x)).filter(keep);
}

async function act(change: EventData["read_state"]["change"], x: Note, work: () => Promise<unknown>) {
  const grouped = x.group.count > 1;
  marked({ change, ids: grouped ? null : [x.id], group: grouped ? x.group.key : null, up_to: null,
    counts: counts.peek()! } as EventData["read_state"]);
  try {
    await work();
    recount();
  } catch (err) {
    toast((err as Error).message);
    void load(); // events may have come meanwhile
  }
}

export const read = (x: Note) => act("read", x, () => x.group.count > 1
  ? call("POST", "/v1/notifications/read", { group: x.group.key }) : call("PUT", `/v1/notifications/${x.id}/read`));
export const unreadAgain = (x: Note) => act("unread", x, () => call("DELETE", `/v1/notifications/${x.id}/read`));
export const archive = (x: Note) => act("archived", x, () => call("PUT", `/v1/notifications/${x.id}/archived`));
export const unarchive = (x: Note) => act("unarchived", x, () => call("DELETE", `/v1/notifications/${x.id}/archived`));

/** Whether the list begins with the newest unread one, up to which all can be marked. */
export const marksAll = computed(() => filter.value === "all" || filter.value === "unread");

export async function readAll() {
  const first = notes.peek()[0];
  if (!first || !marksAll.peek()) return;
  try {
    counts.value = (await call<Counts>("POST", "/v1/notifications/read", { up_to: first.id })).body;
    notes.value = notes.peek().map((x) => ({ ...x, is_read: true }));
  } catch (err) {
    toast((err as Error).message);
  }
}

export function forgetInbox() {
  turn++;
  next = null;
  notes.value = [];
  phase.value = "empty";
  filter.value = "all";
}

/** What a device kept of an earlier visit. */
export function fill(items: readonly Note[]) {
  if (!items.length) return;
  notes.value = items;
  phase.value = "ready";
}
