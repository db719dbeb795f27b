// Live events of one person, once and in order, in every tab, over one connection a browser.

import { ask, Line, pause, Refused, type Auth, type Site, type State } from "./line.js";
import { after } from "./position.js";
import type { BelfryEvent, EventType, Gap } from "./events.js";
import { EVENT_TYPES } from "./events.js";
import type { Frame } from "./wire.js";

export interface Options {
  /** Origin of the Belfry site. Default: the page's own. */
  url?: string;
  /** Default: the browser's cookie, for pages of the site itself. */
  auth?: Auth;
  /** Tells people apart who use one browser: tabs with the same word share a connection. */
  person?: string;
  /**
   * Position to go on from: Belfry-Cursor of a list, or Connection.position of earlier. Default: now, or where the
   * connection stands that other tabs have.
   */
  after?: string | null;
  /** Types wanted; a name stands for its dotted children. Default: all. */
  types?: readonly EventType[];
  /** Whose posts: of people followed with the bell on (default), of all followed, or none. */
  posts?: "notify" | "all" | "none";
  /**
   * Whether tabs share a connection, where the browser can. Default: with the cookie, and with a token if person says
   * whose it is. Never with tickets, which cannot fetch what one tab lacks.
   */
  share?: boolean;
  /** Milliseconds after which tabs that nobody looks at let the connection go; 0 = never. Default: 5 minutes. */
  hidden?: number | undefined;
  /** Called for each event once, in order, one after the other. What it throws is reported and stops nothing. */
  onEvent(event: BelfryEvent): void;
  /** Called when events are gone for good: fetch the lists in gap.heal. */
  onGap?(gap: Gap): void;
  /** Called with each change of state, also in tabs that do not hold the connection. */
  onState?(state: State): void;
}

export interface Connection {
  /** Position up to which onEvent has had everything: what after takes. null = none yet. */
  readonly position: string | null;
  readonly state: State;
  /** Tells the other tabs that access has ended, as after a log-out, and closes. */
  end(): void;
  /** No callback is called after it. */
  close(): void;
}

/** Opens the events of a person. It does not throw: what goes wrong is a state. No callback comes before it returns. */
export function connect(o: Options): Connection {
  return new Tab(o);
}

/** What the leader heard. Between before and the frame there is nothing for the reader; null = it does not know. */
interface Heard {
  before: string | null;
  frame: Frame;
}

type Message =
  | { kind: "event"; heard: Heard }
  | { kind: "state"; state: State; position: string | null }
  | { kind: "ask" }; // somebody looks: is anybody leading?

const ASK_EVERY = 15_000, ANSWER_WITHIN = 3_000; // milliseconds
const PAGE = 100;
const WAITING = 500; // frames that wait while a tab heals; of more, only the newest is kept, and the rest is fetched

class Tab implements Connection {
  position: string | null;
  state: State = "connecting";
  #o: Options;
  #site: Site;
  #name: string;
  #hidden: number;
  #channel: BroadcastChannel | null = null;
  #stop = new AbortController();
  #turn: AbortController | null = null; // the wish to lead, until it is taken back
  #line: Line | null = null; // while this tab leads
  #held: string | null = null; // position of the line, while this tab leads
  #queue: Heard[] = [];
  #healing = false;
  #failures = 0; // of healing
  #answered = 0; // when the leader was heard last
  #looked = Date.now(); // when somebody last looked at one of the tabs

  constructor(o: Options) {
    this.#o = o;
    this.position = o.after ?? null;
    const base = (o.url ?? globalThis.location?.origin ?? "").replace(/\/$/, "");
    const auth = o.auth ?? "cookie";
    const types = o.types ?? EVENT_TYPES;
    const query = new URLSearchParams({ posts: o.posts ?? "notify" });
    if (o.types) query.set("types", o.types.join(","));
    this.#site = { base, auth, query: query.toString(),
      types: EVENT_TYPES.filter((t) => types.some((w) => t === w || t.startsWith(w + "."))) };
    this.#name = `belfry ${base} ${o.person ?? ""} ${query}`;
    this.#hidden = o.hidden ?? 300_000;
    const wanted = o.share ?? (auth === "cookie" || o.person !== undefined);
    if (wanted && !(typeof auth === "object" && "ticket" in auth)) this.#channel = openChannel(this.#name);
    if (this.#channel) this.#join(this.#channel);
    else this.#lead();
    if (typeof document !== "undefined") this.#on(globalThis, "online", () => this.#line?.renew());
  }

  close() {
    this.#stop.abort();
    this.#withdraw();
    this.#channel?.close();
    this.#channel = null;
    this.#queue = [];
    this.state = "ended";
  }

  end() {
    this.#tell({ kind: "state", state: "ended", position: this.position });
    this.close();
  }

  #on(target: EventTarget, name: string, then: (e: Event) => void) {
    target.addEventListener(name, then, { signal: this.#stop.signal });
  }

  #every(ms: number, then: () => void) {
    const timer = setInterval(then, ms);
    this.#stop.signal.addEventListener("abort", () => clearInterval(timer));
  }

  // --- one connection for all tabs ---

  #join(channel: BroadcastChannel) {
    channel.onmessage = (e) => this.#hear(e.data as Message);
    this.#apply();
    this.#every(ASK_EVERY, () => this.#look());
    this.#on(document, "visibilitychange", () => this.#look());
    // Who is stopped gives the lead away, and does not wait for it.
    this.#on(document, "freeze", () => this.#withdraw());
    this.#on(document, "resume", () => this.#back());
    this.#on(globalThis, "pagehide", () => this.#withdraw());
    this.#on(globalThis, "pageshow", () => this.#back());
    if (this.#hidden) {
      this.#every(Math.min(this.#hidden, 60_000), () => {
        if (document.visibilityState === "visible") this.#looked = Date.now();
        else if (!this.#watched()) this.#line?.rest();
      });
    }
    this.#tell({ kind: "ask" }); // a tab that nobody looks at yet wants to know the state and the position too
    this.#look();
  }

  #watched(): boolean {
    return !this.#hidden || Date.now() - this.#looked < this.#hidden;
  }

  /** Waits for the lead, or takes it from a tab that does not answer. */
  #apply(steal = false) {
    this.#turn?.abort();
    const turn = this.#turn = new AbortController();
    const held = () => turn.signal.aborted ? undefined : new Promise<void>((done) => {
      turn.signal.addEventListener("abort", () => done());
      this.#lead();
    });
    navigator.locks.request(this.#name, steal ? { steal } : { signal: turn.signal }, held).catch((err) => {
      if (turn.signal.aborted) return;
      if ((err as DOMException).name !== "AbortError") return this.#lead(); // no locks here: alone, then
      this.#line?.close(); // another tab has taken the lead, because this one did not answer
      this.#line = null;
      this.#apply();
    });
  }

  #withdraw() {
    this.#turn?.abort();
    this.#turn = null;
    this.#line?.close();
    this.#line = null;
  }

  #back() {
    if (this.#turn) return;
    this.#apply();
    this.#look();
  }

  /** Somebody looks at this tab: it wants a leader that is awake. */
  #look() {
    if (document.visibilityState !== "visible" || !this.#turn) return;
    this.#looked = Date.now();
    if (this.#line) return this.#line.start();
    const asked = Date.now();
    this.#tell({ kind: "ask" });
    setTimeout(() => { // nobody answers, and nobody lets the lock go: its holder is stopped
      if (this.#line || !this.#turn || this.#answered >= asked || document.visibilityState !== "visible") return;
      this.#apply(true);
    }, ANSWER_WITHIN * (1 + Math.random()));
  }

  #tell(m: Message) {
    this.#channel?.postMessage(m);
  }

  #hear(m: Message) {
    if (m.kind === "ask") {
      this.#looked = Date.now();
      if (!this.#line) return;
      this.#line.start();
      return this.#tell({ kind: "state", state: this.state, position: this.#held });
    }
    this.#answered = Date.now();
    if (m.kind === "state" && m.state === "ended") return this.#become("ended");
    if (this.#line) return; // two leaders for a moment: each has its own
    if (m.kind === "event") return this.#receive(m.heard);
    this.#become(m.state);
    if (!m.position) return;
    if (this.position === null) this.position = m.position;
    else if (after(m.position, this.position)) void this.#heal();
  }

  #become(state: State) {
    if (this.state === state || this.#stop.signal.aborted) return;
    this.state = state;
    if (state === "ended") this.close();
    guarded(this.#o.onState, state);
  }

  // --- the tab that leads ---

  #lead() {
    this.#held = this.position;
    this.#line = new Line(this.#site, () => this.#held, (frame) => {
      const heard = { before: this.#held, frame };
      this.#held = (frame.type === "ready" ? frame.id : frame.id || frame.data.cursor) || this.#held;
      this.#tell({ kind: "event", heard });
      this.#receive(heard);
    }, (state) => {
      this.#tell({ kind: "state", state, position: this.#held });
      this.#become(state);
    });
    if (!this.#channel || this.#watched()) return this.#line.start();
    this.#tell({ kind: "state", state: "resting", position: this.#held });
    this.#become("resting");
  }

  // --- once and in order, in every tab ---

  #receive(heard: Heard) {
    if (this.#stop.signal.aborted) return;
    this.#queue.push(heard);
    if (this.#queue.length > WAITING) this.#queue.splice(0, WAITING);
    if (!this.#healing) this.#drain();
  }

  #drain() {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const { before, frame } = next;
      if (this.position && before && frame.type !== "gap" && after(before, this.position)) return void this.#heal();
      this.#queue.shift();
      if (this.position && !before && frame.type === "ready" && frame.id !== this.position) return void this.#heal();
      this.#take(frame);
    }
  }

  #take({ id, type, data }: Frame) {
    if (type === "gap") {
      const to = id || data.to, passed = ["expired", "damaged"].includes(data.reason);
      if (!passed || !this.position || after(to, this.position)) this.#skip({ ...data, to });
    } else if (type === "ready" || type === "bye") {
      const at = id || data.cursor;
      if (at && (!this.position || after(at, this.position))) this.position = at;
    } else this.#give(data);
  }

  #skip(gap: Gap) {
    this.position = gap.to;
    guarded(this.#o.onGap, gap);
  }

  #give(event: BelfryEvent) {
    if (this.#stop.signal.aborted || (this.position && !after(event.id, this.position))) return;
    this.position = event.id;
    guarded(this.#o.onEvent, event);
  }

  /** Reads what this tab lacks in the other way, page by page, and goes on with what has come meanwhile. */
  async #heal() {
    if (this.#healing) return;
    this.#healing = true;
    try {
      for (let more = true; more && !this.#stop.signal.aborted;) more = await this.#page();
      this.#failures = 0;
    } catch (err) {
      if (err instanceof Refused) {
        this.#tell({ kind: "state", state: "ended", position: this.position });
        this.#become("ended");
      } else await new Promise((done) => setTimeout(done, pause(this.#failures++)));
    } finally {
      this.#healing = false;
      this.#drain();
    }
  }

  /** Takes a page of what comes after the position; true = there is more. */
  async #page(): Promise<boolean> {
    const answer = await ask(this.#site, "GET",
      `/v1/events?${this.#site.query}&limit=${PAGE}&after=${encodeURIComponent(this.position!)}`);
    const body = await answer.json();
    if (this.#stop.signal.aborted) return false;
    if (answer.status === 410 && body.gap) {
      this.#skip(body.gap);
      return true;
    }
    if (!answer.ok) throw new Error(`events: ${answer.status}`);
    for (const event of body.items as BelfryEvent[]) this.#give(event);
    if (after(body.next, this.position)) this.position = body.next;
    const wanted = this.#queue[0]?.before;
    if (!body.more && wanted && after(wanted, this.position)) throw new Error("events: older than the stream");
    return body.more;
  }
}

/** A channel to the other tabs, where there are tabs, locks and leave to use them. */
function openChannel(name: string): BroadcastChannel | null {
  if (typeof document === "undefined" || typeof BroadcastChannel === "undefined" || !navigator.locks) return null;
  try {
    return new BroadcastChannel(name);
  } catch {
    return null;
  }
}

/** Calls back; what that throws is reported as any uncaught error is. */
function guarded<T>(callback: ((x: T) => void) | undefined, x: T) {
  try {
    callback?.(x);
  } catch (err) {
    queueMicrotask(() => { throw err; });
  }
}
