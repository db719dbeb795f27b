// One connection to the event stream, whatever carries it. A wire knows nothing of positions, order or other tabs.

/** A block of the stream. */
export interface Frame {
  id: string; // the last id of the connection; "" = none yet
  type: string;
  data: any;
}

/** Told once when a wire has ended by itself. refused: the site's own answer that coming back does not help. */
export type OnEnd = (refused: boolean) => void;

export interface Wire {
  close(): void;
}

const CONTROL = ["ready", "gap", "bye"];

/** Opens a wire with the browser's own EventSource. Each type has to be named, and why it ended is not known. */
export function openEventSource(url: string, types: readonly string[], credentials: boolean,
  onFrame: (f: Frame) => void, onEnd: OnEnd): Wire {
  const source = new EventSource(url, { withCredentials: credentials });
  let over = false;
  for (const type of [...CONTROL, ...types]) {
    source.addEventListener(type, (e) => {
      if (!over) onFrame({ id: (e as MessageEvent).lastEventId, type, data: JSON.parse((e as MessageEvent).data) });
    });
  }
  source.onerror = () => {
    if (over) return;
    over = true;
    source.close(); // it would come back to the same URL: a ticket in it is used up, and its own pauses are blind
    onEnd(false);
  };
  return { close: () => { over = true; source.close(); } };
}

const SILENCE = 60_000; // milliseconds without a byte after which a wire is dead, until the server has named its beat

/** Opens a wire with fetch, for programs without EventSource and for a token in a header. */
export function openFetch(url: string, headers: Record<string, string>, onFrame: (f: Frame) => void,
  onEnd: OnEnd): Wire {
  const stop = new AbortController();
  let closed = false, silence = SILENCE, timer: ReturnType<typeof setTimeout>;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), silence);
  };
  const run = async (): Promise<boolean> => {
    heard();
    const answer = await fetch(url, { headers: { ...headers, Accept: "text/event-stream" }, cache: "no-store",
      credentials: "omit", signal: stop.signal });
    if (!answer.ok || !answer.body || !/^text\/event-stream/.test(answer.headers.get("Content-Type") ?? "")) {
      await answer.body?.cancel();
      return isRefusal(answer);
    }
    const parse = parser((f) => {
      if (f.type === "ready" && f.data.heartbeat_s) silence = 3_000 * f.data.heartbeat_s;
      if (!closed) onFrame(f);
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      heard();
      parse(value);
    }
  };
  void run().catch(() => false).then((refused) => {
    clearTimeout(timer);
    stop.abort(); // a block that nobody can read leaves the answer open
    if (!closed) onEnd(refused);
  });
  return {
    close() {
      closed = true;
      stop.abort();
    },
  };
}

/** Whether an answer is the site's own word that the request can never succeed. A proxy's answer never is. */
export const isRefusal = (a: Response): boolean => [401, 403, 422].includes(a.status) &&
  /^application\/problem\+json/.test(a.headers.get("Content-Type") ?? "");

const LONGEST = 1 << 20; // characters of one block; an event has at most 64 KiB

/**
 * Cuts text into blocks by the rules of the event stream format (WHATWG HTML, 9.2.6), however the text is cut into
 * pieces. A block cut short by the end is dropped. It throws at a block that is too long or whose data is no JSON.
 */
export function parser(onFrame: (f: Frame) => void): (text: string) => void {
  let rest = "", size = 0, id = "", type = "", data: string[] = [];
  return (text) => {
    size += text.length;
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/); // a CR at the end may be half of a CRLF
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        const frame = data.length ? { id, type: type || "message", data: JSON.parse(data.join("\n")) } : null;
        type = "";
        data = [];
        size = rest.length;
        if (frame) onFrame(frame);
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") data.push(value);
      else if (name === "event") type = value;
      else if (name === "id" && !value.includes("\0")) id = value;
    }
    if (!data.length && !type) size = rest.length; // comments belong to no block
    if (size > LONGEST) throw new Error("the stream has a block that is too long");
  };
}
