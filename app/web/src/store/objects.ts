// Posts and people by id. A list holds ids; what is known of an object is here once, so a like shows wherever the post
// stands.

import { signal, type Signal } from "@preact/signals";
import { call, get, type Post, type Relationship, type User, type UserRef } from "../api.js";
import { me } from "./session.js";
import { toast } from "./toasts.js";

const posts = new Map<string, Signal<Post | null>>(); // null = gone
const people = new Map<string, Signal<User | null>>();
const names = new Map<string, string>(); // lower-case name -> id
const gone = new Set<string>(); // posts and people that have ended: an answer that was on its way brings none back
const MOST = 4000; // of each; beyond it the oldest go

function kept<T>(map: Map<string, Signal<T | null>>, id: string): Signal<T | null> {
  let s = map.get(id);
  if (!s) {
    map.set(id, (s = signal<T | null>(null)));
    if (map.size > MOST) map.delete(map.keys().next().value!);
  }
  return s;
}

export const post = (id: string) => kept(posts, id);
export const person = (id: string) => kept(people, id);
export const idOf = (name: string) => names.get(name.toLowerCase());

/** An object of an event says nothing of how the reader stands to it: what is known stays. */
type Told = Omit<Post, "viewer"> & { viewer?: Post["viewer"] };

export function keepPost(p: Told): string {
  if (!p.deleted && (gone.has(p.id) || gone.has(p.author?.id ?? ""))) return p.id;
  const s = post(p.id);
  if ((s.peek()?.edited_at ?? "") > (p.edited_at ?? "")) return p.id; // an answer from before the edit
  const viewer = p.viewer !== undefined ? p.viewer : s.peek()?.viewer ??
    (me.peek() ? { liked: false, bookmarked: false, reposted: false, thread_muted: false } : null);
  s.value = { ...p, viewer } as Post;
  return p.id;
}

export function keepPerson(u: User): string {
  person(u.id).value = u;
  names.set(u.username.toLowerCase(), u.id);
  return u.id;
}

export function dropPost(id: string) {
  if (posts.has(id)) post(id).value = null;
}

/** A post that has been deleted. */
export function buryPost(id: string) {
  bury(id);
  dropPost(id);
}

function bury(id: string) {
  gone.add(id);
  if (gone.size > MOST) gone.delete(gone.values().next().value!);
}

/** Everything by a person whose account has ended. */
export function buryAuthor(id: string) {
  bury(id);
  for (const s of posts.values()) if (s.peek()?.author?.id === id) s.value = null;
  if (people.has(id)) person(id).value = null;
}

export const known = (id: string): boolean => posts.has(id) && !!post(id).peek();

const asking = new Map<string, Promise<any>>();

/** Asks for something once, however many want it meanwhile. */
function once<T>(path: string): Promise<T> {
  let p = asking.get(path);
  if (!p) asking.set(path, (p = get<T>(path).finally(() => asking.delete(path))));
  return p;
}

export async function fetchPost(id: string): Promise<void> {
  try {
    keepPost(await once<Post>(`/v1/posts/${encodeURIComponent(id)}`));
  } catch (err) {
    if ((err as { status?: number }).status === 404) return dropPost(id);
    throw err;
  }
}

/** A person, of whom more may be known already. */
export async function personOf(id: string): Promise<User> {
  const u = person(id).peek();
  if (u?.viewer) return u;
  const got = await once<User>(`/v1/users/${id}`);
  keepPerson(got);
  return got;
}

export async function fetchPerson(name: string): Promise<string> {
  return keepPerson(await get<User>(`/v1/users/by-name/${encodeURIComponent(name)}`));
}

interface Act { turn: Promise<unknown>; before: unknown } // before = what holds if it is refused
const acts = new WeakMap<object, Act>(); // the newest on an object, until it is answered

/**
 * Shows a change at once and takes it back when the server refuses it. The server gets acts on one object in the order
 * in which they were made; the answer to one that was overtaken by another is not shown.
 */
async function optimistic<T extends { viewer: unknown }>(s: Signal<T | null>, change: (x: T) => T, work: () => Promise<((x: T) => T) | void>) {
  const was = s.peek(), earlier = acts.get(s);
  if (!was) return;
  const shown = s.value = change(was);
  const turn = (earlier?.turn ?? Promise.resolve()).catch(() => {}).then(work);
  const mine: Act = { turn, before: earlier ? earlier.before : was };
  acts.set(s, mine);
  try {
    const then = await turn || change;
    const newest = acts.get(s)!, now = s.peek();
    if (newest !== mine) newest.before = then(newest.before as T);
    else if (now && then !== change) s.value = then(now);
  } catch (err) {
    const now = s.peek(), before = mine.before as T;
    if (acts.get(s) === mine && now) s.value = now === shown ? before : { ...now, viewer: before.viewer }; // an event came
    toast((err as Error).message);
  } finally {
    if (acts.get(s) === mine) acts.delete(s);
  }
}

export function like(id: string, on: boolean) {
  return optimistic(post(id), (p) => ({ ...p, like_count: Math.max(0, p.like_count + (on ? 1 : -1)),
    viewer: { ...p.viewer!, liked: on } }), async () => {
    const { body } = await call<{ liked: boolean; like_count: number }>(on ? "PUT" : "DELETE", `/v1/posts/${id}/like`);
    return (p) => ({ ...p, like_count: body.like_count, viewer: { ...p.viewer!, liked: body.liked } });
  });
}

const follows = (r: Relationship | null | undefined) => r?.follow === "following";

/** Takes over how the reader stands to a person; counts move with it. */
export function keepRelation(r: Relationship) {
  const s = person(r.user_id), u = s.peek();
  if (!u) return;
  const by = Number(follows(r)) - Number(follows(u.viewer));
  s.value = { ...u, viewer: r, followers_count: Math.max(0, u.followers_count + by) };
}

export function follow(id: string, on: boolean, notify?: boolean) {
  return optimistic(person(id), (u) => {
    const viewer = { ...u.viewer!, follow: on ? "following" : "none", notify: on ? notify ?? true : false } as Relationship;
    return { ...u, viewer, followers_count: Math.max(0, u.followers_count + Number(on) - Number(follows(u.viewer))) };
  }, async () => {
    const path = `/v1/users/${id}/follow`;
    const { body } = on ? await call<Relationship>("PUT", path, notify === undefined ? {} : { notify })
      : await call<Relationship>("DELETE", path);
    return (u) => ({ ...u, viewer: body });
  });
}

/** A person of whom only the name is known, as far as more is known of them. */
export const refOf = (u: UserRef): UserRef => people.get(u.id)?.value ?? u;

export function forget() {
  posts.clear();
  gone.clear();
  people.clear();
  names.clear();
}
