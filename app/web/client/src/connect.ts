// Live events of one person, once and in order, in every tab, over one connection a browser.

import { Line, request, type Auth, type Site, type State } from "./line.js";
import { after, seq } from "./position.js";
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
  /** Position to go on from: Belfry-Cursor of a list, or Connection.position of earlier. Default: now. */
  after?: string | null;
  /** Types wanted; a name stands for its dotted children. Default: all. */
  types?: readonly EventType[];
  /** Whose posts: of people followed with the bell on (default), of all followed, or none. */
  posts?: "notify" | "all" | "none";
  /** Whether tabs share a connection. Default: where the browser can. */
  share?: boolean;
  /** Milliseconds after which tabs that nobody looks at let the connection go; 0 = never. Default: 5 minutes. */
  hidden?: number | undefined;
  /** Called for each event once, in order, one after the other. */
  onEvent(event: BelfryEvent): void;
  /** Called when events are gone for good: fetch the lists in gap.heal. */
  onGap?(gap: Gap): void;
  /** Called with each change of state, also in tabs that do not hold the connection. */
  onState?(state: State): void;
}

export interface Connection {
  /** Position of the last event that onEvent has had: what after takes. null = none yet. */
  readonly position: string | null;
  readonly state: State;
  /** Tells the other tabs that access has ended, as after a log-out, and closes. */
  end(): void;
  close(): void;
}

/** Opens the events of a person. It does not throw: what goes wrong is a state. */
export function connect(o: Options): Connection {
  return new Tab(o);
}

type Message =
  | { kind: "event"; before: string | null; frame: Frame }
  | { kind: "state"; state: State; position: string | null }
  | { kind: "ask" }; // somebody looks: is anybody leading?

const ASK_EVERY = 15_000, ANSWER_WITHIN = 3_000; // milliseconds
const PAGE = 100;

class Tab implements Connection {
  position: string | null;
  state: State = "connecting";
  #o: Options;
  #site: Site;
  #channel: BroadcastChannel | null = null;
  #stop = new AbortController();
  #line: Line | null = null; // while this tab leads
  #held: string | null = null; // position of the line, while this tab leads
  #queue: { before: string | null; frame: Frame }[] = [];
  #healing = false;
  #answered = 0; // when the leader was heard last
  #looked = Date.now(); // when somebody last looked at one of the tabs

  constructor(o: Options) {
    this.#o = o;
    this.position = o.after ?? null;
    const base = (o.url ?? globalThis.location?.origin ?? "").replace(/\/$/, "");
    const types = o.types ?? EVENT_TYPES;
    const query = new URLSearchParams({ posts: o.posts ?? "notify" });
    if (o.types) query.set("types", o.types.join(","));
    this.#site = { base, auth: o.auth ?? "cookie", query: query.toString(),
      types: EVENT_TYPES.filter((t) => types.some((w) => t === w || t.startsWith(w + "."))) };
    const can = typeof BroadcastChannel !== "undefined" && !!globalThis.navigator?.locks && typeof document !== "undefined";
    if (o.share === false || !can) this.#lead();
    else this.#join(`belfry ${base} ${o.person ?? ""} ${query}`);
  }

  close() {
    this.#stop.abort();
    this.#line?.rest();
    this.#line = null;
    this.#channel?.close();
    this.#channel = null;
  }

  end() {
    this.#tell({ kind: "state", state: "ended", position: this.position });
    this.close();
  }

  // --- one connection for all tabs ---

  #join(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (e) => this.#hear(e.data as Message);
    const request = (steal: boolean) => {
      const options = steal ? { steal: true } : { signal: this.#stop.signal };
      navigator.locks.request(name, options, () => new Promise<void>((done) => {
        if (this.#stop.signal.aborted) return done();
        this.#stop.signal.addEventListener("abort", () => done());
        this.#lead();
      })).catch(() => {
        if (this.#stop.signal.aborted) return;
        this.#line?.rest(); // another tab has taken the lock, because this one was frozen
        this.#line = null;
        request(false);
      });
    };
    request(false);
    const every = (ms: number, what: () => void) => {
      const timer = setInterval(what, ms);
      this.#stop.signal.addEventListener("abort", () => clearInterval(timer));
    };
    const look = () => {
      if (document.visibilityState !== "visible") return;
      this.#looked = Date.now();
      this.#line?.start();
      if (this.#line) return;
      const asked = Date.now();
      this.#tell({ kind: "ask" });
      setTimeout(() => { // nobody answers, and nobody lets the lock go: its holder is frozen
        if (!this.#line && !this.#stop.signal.aborted && this.#answered < asked &&
          document.visibilityState === "visible") request(true);
      }, ANSWER_WITHIN * (1 + Math.random()));
    };
    every(ASK_EVERY, look);
    document.addEventListener("visibilitychange", look, { signal: this.#stop.signal });
    const hidden = this.#o.hidden ?? 300_000;
    if (hidden) {
      every(Math.min(hidden, 60_000), () => {
        if (document.visibilityState === "visible") this.#looked = Date.now();
        else if (Date.now() - this.#looked >= hidden) this.#line?.rest();
      });
    }
    globalThis.addEventListener?.("online", () => this.#line?.start(), { signal: this.#stop.signal });
    look();
  }

  #tell(m: Message) {
    this.#channel?.postMessage(m);
  }

  #hear(m: Message) {
    switch (m.kind) {
      case "ask":
        this.#looked = Date.now();
        if (!this.#line) return;
        this.#line.start();
        return this.#tell({ kind: "state", state: this.state, position: this.#held });
      case "state":
        this.#answered = Date.now();
        if (this.#line && m.state !== "ended") return; // two leaders for a moment: each has its own
        this.#become(m.state);
        if (m.position && this.position && after(m.position, this.position)) void this.#heal();
        return;
      case "event":
        this.#answered = Date.now();
        if (!this.#line) this.#receive(m.before, m.frame);
    }
  }

  #become(state: State) {
    if (this.state === state || this.#stop.signal.aborted) return;
    this.state = state;
    this.#o.onState?.(state);
    if (state === "ended") this.close();
  }

  // --- the tab that leads ---

  #lead() {
    this.#held = this.position;
    this.#line = new Line(this.#site, () => this.#held, (f) => {
      const before = this.#held;
      if (f.type === "ready" ? f.id : f.id || f.data.cursor) this.#held = f.id || f.data.cursor;
      if (f.type === "bye") return;
      this.#tell({ kind: "event", before, frame: f });
      this.#receive(before, f);
    }, (state) => {
      this.#tell({ kind: "state", state, position: this.#held });
      this.#become(state);
    });
    this.#line.start();
  }

  // --- once and in order, in every tab ---

  #receive(before: string | null, f: Frame) {
    if (this.#stop.signal.aborted) return;
    this.#queue.push({ before, frame: f });
    if (!this.#healing) this.#drain();
  }

  #drain() {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const { before, frame } = next;
      if (frame.type === "ready") {
        this.position ??= frame.id || null;
        continue;
      }
      if (frame.type === "gap") {
        this.position = frame.id || frame.data.to;
        this.#o.onGap?.(frame.data);
        continue;
      }
      if (this.position && before && after(before, this.position)) { // this tab lacks what was before
        this.#queue.unshift(next);
        void this.#heal();
        return;
      }
      this.#apply(frame.data);
    }
  }

  #apply(event: BelfryEvent) {
    if (this.position && !after(event.id, this.position)) return;
    this.position = event.id;
    this.#o.onEvent(event);
  }

  /** Reads what this tab lacks in the other way, page by page, and goes on with what has come meanwhile. */
  async #heal() {
    if (this.#healing) return;
    this.#healing = true;
    try {
      for (let more = true; more && !this.#stop.signal.aborted;) more = await this.#page();
    } catch {
      await new Promise((done) => setTimeout(done, 2_000 + Math.random() * 3_000));
    } finally {
      this.#healing = false;
      if (!this.#stop.signal.aborted) this.#drain();
    }
  }

  async #page(): Promise<boolean> {
    if (typeof this.#site.auth === "object" && "ticket" in this.#site.auth) { // a ticket opens streams and nothing else
      const to = this.#queue[0]?.before ?? this.position!;
      this.#o.onGap?.({ from: this.position, to, reason: "expired",
        heal: ["/v1/notifications", "/v1/notifications/counts", "/v1/timelines/home"] });
      this.position = to;
      return false;
    }
    const { headers, credentials } = await request(this.#site.auth);
    const answer = await fetch(`${this.#site.base}/v1/events?${this.#site.query}&limit=${PAGE}&after=` +
      encodeURIComponent(this.position!), { headers: { ...headers, Accept: "application/json" }, credentials,
      cache: "no-store" });
    const body = await answer.json();
    if (answer.status === 410) {
      this.position = body.gap.to;
      this.#o.onGap?.(body.gap);
      return true;
    }
    if (!answer.ok) throw new Error(`events: ${answer.status}`);
    for (const event of body.items as BelfryEvent[]) this.#apply(event);
    if (seq(body.next) > seq(this.position)) this.position = body.next;
    return body.more;
  }
}
