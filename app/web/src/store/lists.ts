// Lists of posts and people, page by page. They are kept while the reader is elsewhere, so that Back finds them as they
// were.

import { signal, type Signal } from "@preact/signals";
import { pageOf, Problem, type Post, type User } from "../api.js";
import { keepPerson, keepPost } from "./objects.js";

export type Phase = "empty" | "loading" | "ready" | "failed";

export class List<T extends { id: string }> {
  readonly ids: Signal<readonly string[]> = signal([]);
  /** Newer ones that are not shown yet: content does not jump. */
  readonly fresh: Signal<readonly string[]> = signal([]);
  readonly phase: Signal<Phase> = signal("empty");
  readonly problem: Signal<Problem | null> = signal(null);
  readonly more: Signal<boolean> = signal(false);
  /** Where the log stood when the first page was taken; null where the list does not tell. */
  cursor: string | null = null;
  #next: string | null = null;
  #busy = false;
  #work: Promise<void> | undefined; // the newest
  #turn = 0; // grows with each beginning: what an older one brings is dropped
  #beginning = false; // the first page is on its way
  #met: string[] = []; // came while it was, for the front: the page may be older
  #last: string[] = []; // the same, for the end
  #ends: string[] = []; // the reader's own, which stay at the end while pages are missing before them
  #instead: string | null | undefined; // how it goes on once fresh takes the place of everything; undefined = it does not
  /** Views that show it. */
  shown = 0;

  constructor(readonly path: string, private keep: (x: T) => string) {}

  /** Fetches the first page, if nothing is there yet or anew is set. */
  async load(anew = false) {
    if (!anew && (this.phase.peek() === "ready" || this.phase.peek() === "loading")) return;
    this.#turn++;
    this.#busy = false;
    this.#beginning = true;
    this.#met = [];
    this.#last = [];
    this.#ends = [];
    return this.#work = this.#page(true);
  }

  /** Fetches the next page, or waits for what is on its way. */
  async further() {
    if (this.#next && !this.#busy) this.#work = this.#page(false);
    return this.#work;
  }

  async #page(first: boolean) {
    const turn = this.#turn;
    this.#busy = true;
    if (first && !this.ids.peek().length) this.phase.value = "loading";
    try {
      const page = await pageOf<T>(this.path, first ? null : this.#next);
      if (turn !== this.#turn) return;
      const got = page.items.map((x) => this.keep(x));
      if (first) {
        this.#begin(got, page.next);
        this.cursor = page.cursor;
      } else {
        this.ids.value = [...new Set([...this.ids.peek().filter((id) => !this.#ends.includes(id)), ...got, ...this.#ends])];
        this.#next = page.next;
      }
      this.more.value = !!this.#next;
      this.phase.value = "ready";
      this.problem.value = null;
    } catch (err) {
      if (turn !== this.#turn) return;
      this.problem.value = err instanceof Problem ? err : new Problem(null, 0);
      this.phase.value = "failed";
    } finally {
      if (turn === this.#turn) this.#busy = this.#beginning = false;
    }
  }

  /** Takes the first page over. For a reader who has scrolled content does not jump: what is new waits, the rest stays. */
  #begin(got: readonly string[], next: string | null) {
    const all = [...new Set([...this.#met.filter((id) => !got.includes(id)), ...got, ...this.#last])], old = this.ids.peek();
    const scrolled = this.shown > 0 && old.length > 0 && scrollY > SCROLLED;
    const from = all.findIndex((id) => old.includes(id));
    this.#instead = undefined;
    if (scrolled && from >= 0) {
      const tail = old.slice(old.findLastIndex((id) => all.includes(id)) + 1);
      this.fresh.value = all.slice(0, from);
      this.ids.value = [...all.slice(from), ...tail];
      if (!tail.length || !this.#next) this.#next = next;
    } else if (scrolled && all.length) { // nothing in common: what lies between is fetched once the reader wants it
      this.fresh.value = all;
      this.#instead = next;
    } else {
      this.fresh.value = [];
      this.ids.value = all;
      this.#next = next;
    }
  }

  /** Puts what the reader made in front, or at the end. */
  put(id: string, end = false) {
    if (this.phase.peek() === "empty") return;
    if (this.#beginning) end ? this.#last.push(id) : this.#met.unshift(id);
    if (end && this.more.peek()) this.#ends.push(id);
    const rest = this.ids.peek().filter((x) => x !== id);
    this.ids.value = end ? [...rest, id] : [id, ...rest];
  }

  /** Keeps something new back until show, or until the first page is there. */
  offer(id: string) {
    if (this.phase.peek() === "empty") return; // the first page will have it
    if (this.#beginning) this.#met.unshift(id);
    if (!this.ids.peek().includes(id) && !this.fresh.peek().includes(id)) this.fresh.value = [id, ...this.fresh.peek()];
  }

  show() {
    const fresh = this.fresh.peek(), alone = this.#instead !== undefined;
    this.fresh.value = [];
    this.ids.value = alone ? fresh : [...fresh, ...this.ids.peek().filter((id) => !fresh.includes(id))];
    if (alone) this.more.value = !!(this.#next = this.#instead!);
    this.#instead = undefined;
  }

  drop(id: string) {
    if (this.ids.peek().includes(id)) this.ids.value = this.ids.peek().filter((x) => x !== id);
    if (this.fresh.peek().includes(id)) this.fresh.value = this.fresh.peek().filter((x) => x !== id);
  }

  /** What a device kept of an earlier visit. */
  fill(items: readonly T[], cursor: string | null) {
    this.ids.value = items.map((x) => this.keep(x));
    this.cursor = cursor;
    this.phase.value = "ready";
  }
}

const SCROLLED = 40; // pixels
const MOST = 30;
const lists = new Map<string, List<any>>();

function kept<T extends { id: string }>(path: string, keep: (x: T) => string): List<T> {
  let l = lists.get(path);
  if (l) lists.delete(path); // the newest is the last
  else l = new List<T>(path, keep);
  lists.set(path, l);
  for (const [old, x] of lists) if (lists.size > MOST && !x.shown && x !== l) lists.delete(old);
  return l;
}

/** A list that somebody has looked at; an event makes none. */
export const listAt = (path: string): List<any> | undefined => lists.get(path);

export const postList = (path: string): List<Post> => kept<Post>(path, keepPost);
export const peopleList = (path: string): List<User> => kept<User>(path, keepPerson);

export const HOME = "/v1/timelines/home", LOCAL = "/v1/timelines/local";

export function everyList(what: (l: List<any>) => void) {
  lists.forEach(what);
}

/** Grows when everything that is shown has to be fetched anew. */
export const renewals = signal(0);

/** Every list anew: after a gap, nobody knows what was missed. What is not shown is fetched when it is. */
export function renew() {
  for (const [path, l] of lists) {
    if (l.shown) void l.load(true);
    else lists.delete(path);
  }
  renewals.value++;
}

export function forgetLists() {
  lists.clear();
}

