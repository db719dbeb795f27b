// A line is a stream that comes back: after a lost connection, a restart of the server, an answer of a proxy. It goes on
// after the position its owner names, so that nothing is missing.

import { openEventSource, openFetch, type End, type Frame, type Wire } from "./wire.js";

/** live: events arrive. connecting: they will again. resting: let go while nobody looks. ended: access has ended. */
export type State = "connecting" | "live" | "resting" | "ended";

/** How requests prove who asks: the browser's cookie, a token, or tickets that the page's own server hands out. */
export type Auth = "cookie" | { token: string | (() => string | Promise<string>) } | { ticket: () => Promise<string> };

export interface Site {
  base: string; // origin of the site, without a slash at its end
  auth: Auth;
  query: string; // of the stream: types and posts
  types: readonly string[];
}

/** Headers and mode of a request to the site's API. */
export async function request(auth: Auth): Promise<{ headers: Record<string, string>; credentials: RequestCredentials }> {
  if (auth === "cookie") return { headers: {}, credentials: "include" };
  if ("ticket" in auth) return { headers: {}, credentials: "omit" };
  const token = typeof auth.token === "string" ? auth.token : await auth.token();
  return { headers: { Authorization: `Bearer ${token}` }, credentials: "omit" };
}

const FIRST_PAUSE = 1_000, LONGEST_PAUSE = 30_000; // milliseconds between attempts, doubled each time, at random below
const HOPELESS = [401, 403, 404, 422]; // answers that another attempt does not change

export class Line {
  #site: Site;
  #position: () => string | null;
  #onFrame: (f: Frame) => void;
  #onState: (s: State) => void;
  #wire: Wire | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #heard = false; // since the wire was opened
  #pause: number | null = null; // asked for by bye
  state: State = "resting";

  constructor(site: Site, position: () => string | null, onFrame: (f: Frame) => void, onState: (s: State) => void) {
    this.#site = site;
    this.#position = position;
    this.#onFrame = onFrame;
    this.#onState = onState;
  }

  /** Opens the stream, now; without effect while it is open or opening. */
  start() {
    if (this.state === "live" || this.state === "ended" || this.#wire) return;
    clearTimeout(this.#timer);
    this.#become("connecting");
    void this.#open();
  }

  /** Closes the stream until start. */
  rest() {
    if (this.state === "ended") return;
    this.#drop();
    this.#become("resting");
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#wire?.close();
    this.#wire = null;
  }

  #become(state: State) {
    if (this.state === state) return;
    this.state = state;
    this.#onState(state);
  }

  async #open() {
    const mine: Wire = { close: () => {} };
    this.#wire = mine; // holds the place while a ticket is fetched
    this.#heard = false;
    let url = `${this.#site.base}/v1/events?${this.#site.query}`;
    const at = this.#position();
    if (at) url += `&after=${encodeURIComponent(at)}`;
    const frame = (f: Frame) => this.#hear(f);
    const end = (e: End) => this.#ended(e);
    try {
      const { headers } = await request(this.#site.auth);
      if (typeof EventSource === "undefined") {
        if (this.#wire === mine) this.#wire = openFetch(url, headers, frame, end);
        return;
      }
      if (this.#site.auth !== "cookie") url += `&ticket=${encodeURIComponent(await this.#ticket(headers))}`;
      if (this.#wire === mine) {
        this.#wire = openEventSource(url, this.#site.types, this.#site.auth === "cookie", frame, end);
      }
    } catch (err) {
      if (this.#wire === mine) this.#ended({ status: (err as { status?: number }).status || 0 });
    }
  }

  async #ticket(headers: Record<string, string>): Promise<string> {
    const auth = this.#site.auth;
    if (typeof auth === "object" && "ticket" in auth) return auth.ticket();
    const answer = await fetch(`${this.#site.base}/v1/stream-tickets`, { method: "POST", headers, credentials: "omit" });
    if (!answer.ok) throw Object.assign(new Error("no ticket"), { status: answer.status });
    return (await answer.json()).ticket;
  }

  #hear(f: Frame) {
    this.#heard = true;
    this.#pause = null;
    if (f.type === "ready") {
      this.#failures = 0;
      this.#become("live");
    }
    if (f.type === "bye") {
      if (f.data.reason === "revoked") return this.#finish();
      this.#pause = f.data.retry_ms;
    }
    this.#onFrame(f);
  }

  #finish() {
    this.#drop();
    this.#become("ended");
  }

  #ended(e: End) {
    this.#wire = null;
    if (HOPELESS.includes(e.status)) return this.#finish();
    this.#become("connecting");
    if (this.#heard) return this.#again();
    this.#failures++;
    // An EventSource does not tell why it was refused: ask in the other way.
    void this.#refused().then((yes) => {
      if (this.state !== "connecting" || this.#wire) return;
      if (yes) this.#finish();
      else this.#again();
    });
  }

  async #refused(): Promise<boolean> {
    if (typeof EventSource === "undefined" || (typeof this.#site.auth === "object" && "ticket" in this.#site.auth)) {
      return false;
    }
    try {
      const { headers, credentials } = await request(this.#site.auth);
      const answer = await fetch(`${this.#site.base}/v1/events?after=now&limit=1`,
        { headers: { ...headers, Accept: "application/json" }, credentials, cache: "no-store" });
      return answer.status === 401 || answer.status === 403;
    } catch {
      return false;
    }
  }

  #again() {
    const most = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#failures, 10));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.state === "connecting" && !this.#wire) void this.#open();
    }, this.#pause ?? most * (0.5 + Math.random() / 2));
  }
}
