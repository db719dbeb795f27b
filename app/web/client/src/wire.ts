// One connection to the event stream, whatever carries it. A wire knows nothing of positions, order or other tabs.

/** A block of the stream. */
export interface Frame {
  id: string; // "" = the block has none
  type: string;
  data: any;
}

/** Why a wire ended. status is that of an answer that was no stream; 0 = the connection was lost, or who knows. */
export interface End {
  status: number;
}

export interface Wire {
  close(): void;
}

const CONTROL = ["ready", "gap", "bye"];

/** Opens a wire with the browser's own EventSource. Each type has to be named. */
export function openEventSource(url: string, types: readonly string[], credentials: boolean,
  onFrame: (f: Frame) => void, onEnd: (e: End) => void): Wire {
  const source = new EventSource(url, { withCredentials: credentials });
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    source.close(); // it would come back to the same URL: a ticket in it is used up, and its own pauses are blind
    onEnd({ status: 0 });
  };
  for (const type of [...CONTROL, ...types]) {
    source.addEventListener(type, (e) => {
      if (!over) onFrame({ id: (e as MessageEvent).lastEventId, type, data: JSON.parse((e as MessageEvent).data) });
    });
  }
  source.onerror = end;
  return { close: () => { over = true; source.close(); } };
}

/** Opens a wire with fetch, for programs without EventSource and for a token in a header. */
export function openFetch(url: string, headers: Record<string, string>, onFrame: (f: Frame) => void,
  onEnd: (e: End) => void): Wire {
  const stop = new AbortController();
  const run = async () => {
    const answer = await fetch(url, { headers: { ...headers, Accept: "text/event-stream" }, cache: "no-store",
      signal: stop.signal });
    if (!answer.ok || !answer.body || !/^text\/event-stream/.test(answer.headers.get("Content-Type") || "")) {
      await answer.body?.cancel();
      return answer.status;
    }
    const parse = parser(onFrame);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return 0;
      parse(value);
    }
  };
  run().catch(() => 0).then((status) => { if (!stop.signal.aborted) onEnd({ status }); });
  return { close: () => stop.abort() };
}

/** Cuts text into blocks by the rules of the event stream format (WHATWG HTML, 9.2.6). A block cut short is dropped. */
export function parser(onFrame: (f: Frame) => void): (text: string) => void {
  let rest = "", id = "", type = "", data: string[] = [];
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/); // a CR at the end may be half of a CRLF
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (data.length) onFrame({ id, type: type || "message", data: JSON.parse(data.join("\n")) });
        type = "";
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") data.push(value);
      else if (name === "event") type = value;
      else if (name === "id" && !value.includes("\0")) id = value;
    }
  };
}
