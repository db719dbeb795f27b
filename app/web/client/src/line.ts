// A line is a stream that comes back: after a lost connection, a restart of the server, an answer of a proxy. It goes
// on after the position its owner names, so that nothing is missing.

import { isRefusal, openEventSource, openFetch, type Frame, type Wire } from "./wire.js";

/**
 * live: events arrive. connecting: they will again. resting: let go while nobody looks. ended: access has ended, or the
 * connection was closed.
 */
export type State = "connecting" | "live" | "resting" | "ended";

/**
 * How requests prove who asks: the browser's cookie, a token, or tickets that the page's own server hands out. The
 * functions are called for each attempt; an error of theirs with the status 401 or 403 says that access has ended.
 */
export type Auth = "cookie" | { token: string | Giver } | { ticket: Giver };

type Giver = () => string | Promise<string>;

export interface Site {
  base: string; // origin of the site, without a slash at its end
  auth: Auth;
  query: string; // of the stream: types and posts
  types: readonly string[];
}

/** Access has ended, or the request can never succeed. */
export class Refused extends Error {}

const byTicket = (auth: Auth): auth is { ticket: Giver } => typeof auth === "object" && "ticket" in auth;

/** What the functions of auth give, or Refused. */
async function given(from: string | Giver): Promise<string> {
  try {
    return typeof from === "string" ? from : await from();
  } catch (err) {
    const status = (err as { status?: unknown } | null)?.status;
    throw status === 401 || status === 403 ? new Refused("access has ended") : err;
  }
}

async function proof(auth: Auth): Promise<Record<string, string>> {
  return auth === "cookie" || byTicket(auth) ? {} : { Authorization: `Bearer ${await given(auth.token)}` };
}

/** Sends a request to the site's API. It throws Refused where the site does, and what fetch throws. */
export async function ask(site: Pick<Site, "base" | "auth">, method: string, path: string): Promise<Response> {
  const headers = { ...await proof(site.auth), Accept: "application/json" };
  const answer = await fetch(site.base + path, { method, headers, cache: "no-store",
    credentials: site.auth === "cookie" ? "include" : "omit", signal: AbortSignal.timeout(PATIENCE) });
  if (isRefusal(answer)) throw new Refused(`${path}: ${answer.status}`);
  return answer;
}

const PATIENCE = 30_000; // milliseconds for an answer
const FIRST_PAUSE = 2_000, LONGEST_PAUSE = 30_000; // milliseconds between attempts, doubled each time
const LONGEST_BYE = 300_000; // milliseconds that a server may ask for
const LOOK_EVERY = 10_000, ASLEEP = 150_000; // milliseconds; hidden pages are woken once a minute
const UNANSWERED = 60_000; // milliseconds without ready

/** A pause that grows with failures, at random so that not everybody comes back at once. */
export const pause = (failures: number): number =>
  Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);

export class Line {
  #site: Site;
  #position: () => string | null;
  #onFrame: (f: Frame) => void;
  #onState: (s: State) => void;
  #wire: Wire | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #oldest = Infinity; // when the wire is older than the server lets it be
  #failures = 0;
  #heard = false; // since the wire was opened
  #bye: number | null = null; // pause that the server asked for
  state: State = "resting";

  constructor(site: Site, position: () => string | null, onFrame: (f: Frame) => void, onState: (s: State) => void) {
    this.#site = site;
    this.#position = position;
    this.#onFrame = onFrame;
    this.#onState = onState;
  }

  /** Opens the stream of a line that rests. */
  start() {
    if (this.state !== "resting") return;
    this.#become("connecting");
    void this.#open();
  }

  /** Opens the stream anew, at once unless the server has asked for a pause: the network is another one. */
  renew() {
    if (this.state === "resting" || this.state === "ended" || this.#bye !== null) return;
    this.#drop();
    this.#become("connecting");
    void this.#open();
  }

  /** Closes the stream until start. */
  rest() {
    if (this.state === "ended") return;
    this.#drop();
    this.#become("resting");
  }

  /** Closes the stream for good, without a word. */
  close() {
    this.#drop();
    this.state = "ended";
  }

  #drop() {
    clearTimeout(this.#again);
    clearInterval(this.#watch);
    this.#wire?.close();
    this.#wire = null;
    this.#bye = null;
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
    this.#bye = null;
    this.#keepWatch();
    const { base, auth, query, types } = this.#site;
    const at = this.#position();
    let url = `${base}/v1/events?${query}`;
    if (at) url += `&after=${encodeURIComponent(at)}`;
    const frame = (f: Frame) => this.#hear(f);
    const end = (refused: boolean) => this.#ended(refused);
    try {
      const direct = typeof EventSource !== "undefined";
      if (byTicket(auth)) url += `&ticket=${encodeURIComponent(await given(auth.ticket))}`;
      else if (auth !== "cookie" && direct) url += `&ticket=${encodeURIComponent(await this.#ticket())}`;
      const headers = direct ? {} : await proof(auth);
      if (this.#wire !== mine) return;
      this.#wire = direct ? openEventSource(url, types, auth === "cookie", frame, end)
        : openFetch(url, headers, frame, end);
    } catch (err) {
      if (this.#wire === mine) this.#ended(err instanceof Refused, true);
    }
  }

  async #ticket(): Promise<string> {
    const answer = await ask(this.#site, "POST", "/v1/stream-tickets");
    if (!answer.ok) throw new Error(`no ticket: ${answer.status}`);
    return (await answer.json()).ticket;
  }

  /** A wire may be dead without a word: after a sleep of the machine, or when its server has forgotten it. */
  #keepWatch() {
    clearInterval(this.#watch);
    let last = Date.now();
    this.#oldest = last + UNANSWERED;
    this.#watch = setInterval(() => {
      const now = Date.now(), slept = now - last > ASLEEP;
      last = now;
      if (slept || now > this.#oldest) this.renew();
    }, LOOK_EVERY);
  }

  #hear(f: Frame) {
    this.#heard = true;
    if (f.type === "ready") {
      this.#failures = 0;
      this.#oldest = f.data.max_age_s ? Date.now() + (f.data.max_age_s + 60) * 1_000 : Infinity;
      this.#become("live");
    }
    if (f.type === "bye") {
      if (f.data.reason === "revoked") return this.#finish();
      this.#bye = Math.min(f.data.retry_ms ?? 0, LONGEST_BYE) || null;
    }
    this.#onFrame(f);
  }

  #finish() {
    this.#drop();
    this.#become("ended");
  }

  /** The wire has ended; asked = it was an API request that failed, so that there is nothing more to learn. */
  #ended(refused: boolean, asked = false) {
    this.#wire = null;
    clearInterval(this.#watch);
    if (refused && (asked || !byTicket(this.#site.auth))) return this.#finish(); // a ticket refused is one used up
    this.#become("connecting");
    if (!this.#heard) this.#failures++;
    const later = () => {
      clearTimeout(this.#again);
      this.#again = setTimeout(() => void this.#open(), this.#bye ?? pause(this.#failures));
    };
    if (this.#heard || asked || typeof EventSource === "undefined" || byTicket(this.#site.auth)) return later();
    // An EventSource does not tell why it was refused: ask in the other way.
    void ask(this.#site, "GET", `/v1/events?${this.#site.query}&after=now&limit=1`).then(() => false,
      (err) => err instanceof Refused).then((no) => {
      if (this.state !== "connecting" || this.#wire) return;
      if (no) this.#finish();
      else later();
    });
  }
}
