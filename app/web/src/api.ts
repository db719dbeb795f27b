// The HTTP API: one function, and the errors it throws.

import type { components } from "../client/src/schema.js";
import { t } from "./text.js";

type Schemas = components["schemas"];
export type Post = Schemas["Post"];
export type User = Schemas["User"];
export type UserRef = Schemas["UserRef"];
export type Me = Schemas["Me"];
export type Note = Schemas["Notification"];
export type Counts = Schemas["Counts"];
export type Instance = Schemas["Instance"];
export type Media = Schemas["Media"];
export type Relationship = Schemas["Relationship"];
export type Visibility = Post["visibility"];
export interface Page<T> { items: T[]; next: string | null }

/** What the server refused, with words for people. */
export class Problem extends Error {
  constructor(readonly body: Schemas["Problem"] | null, readonly status: number) {
    super(body?.errors?.[0]?.detail || body?.detail || body?.title || t.failed);
  }
  get code(): string { return this.body?.code || ""; }
  /** The detail for a field, by its pointer. */
  field(pointer: string): string { return this.body?.errors?.find((e) => e.pointer === pointer)?.detail || ""; }
}

/** Called when the server no longer knows who asks. */
export const onSignedOut = { call: () => {} };

export interface Answer<T> { body: T; cursor: string | null; etag: string | null }

const ATTEMPTS = 3;

/**
 * Asks the server. A POST carries a key, so that an attempt that was lost on the way can be repeated: here, or with the
 * same key among more. A deletion outlives the page.
 */
export async function call<T = void>(method: string, path: string, input?: unknown, more?: Record<string, string>): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (input !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = key();
  Object.assign(headers, more);
  for (let attempt = 1; ; attempt++) {
    let answer: Response;
    try {
      answer = await fetch(path, { method, headers, credentials: "same-origin", keepalive: method === "DELETE",
        body: input === undefined ? undefined : JSON.stringify(input) });
    } catch {
      if (attempt === ATTEMPTS) throw new Problem({ detail: t.unreachable } as Schemas["Problem"], 0);
      await new Promise((done) => setTimeout(done, 400 * attempt));
      continue;
    }
    return { body: (await read(answer.status, () => answer.json())) as T, cursor: answer.headers.get("Belfry-Cursor"),
      etag: answer.headers.get("ETag") };
  }
}

export const get = async <T>(path: string): Promise<T> => (await call<T>("GET", path)).body;

async function read(status: number, json: () => Promise<unknown> | unknown): Promise<unknown> {
  const body = status === 204 ? null : await Promise.resolve().then(json).catch(() => null);
  if (status >= 200 && status < 300) return body;
  const problem = new Problem(body as Schemas["Problem"] | null, status);
  if (status === 401 && (problem.code === "unauthenticated" || problem.code === "invalid_token")) onSignedOut.call();
  throw problem;
}

/** A word nobody else uses; also where the page is not in a secure context. */
export function key(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Sends a file, once for each key; progress is called with parts of 100. fetch cannot tell how far a body is. */
export function upload(file: Blob, once: string, progress: (percent: number) => void, signal?: AbortSignal): Promise<Media> {
  return new Promise((done, fail) => {
    const form = new FormData(), x = new XMLHttpRequest();
    form.append("file", file);
    x.open("POST", "/v1/media");
    x.setRequestHeader("Accept", "application/json");
    x.setRequestHeader("Idempotency-Key", once);
    x.upload.onprogress = (e) => e.lengthComputable && progress(Math.floor((100 * e.loaded) / e.total));
    x.onload = () => { read(x.status, () => JSON.parse(x.responseText)).then((m) => done(m as Media), fail); };
    x.onerror = () => fail(new Problem({ detail: t.unreachable } as Schemas["Problem"], 0));
    signal?.addEventListener("abort", () => x.abort());
    x.send(form);
  });
}

/** A picture once it can be shown. */
export async function prepared(m: Media, signal?: AbortSignal): Promise<Media> {
  while (m.state === "processing" && !signal?.aborted) {
    await new Promise((go) => setTimeout(go, 1000));
    m = await get<Media>(`/v1/media/${m.id}`);
  }
  if (m.state !== "ready") throw new Problem(null, 422);
  return m;
}

/** A page of a list. One may be empty and go on all the same: then it looks further, within reason. */
export async function pageOf<T>(path: string, cursor: string | null): Promise<Page<T> & { cursor: string | null }> {
  for (let left = 20; ; left--) {
    const url = cursor ? `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}` : path;
    const { body, cursor: at } = await call<Page<T>>("GET", url);
    if (body.items.length || !body.next || !left) return { ...body, cursor: at };
    cursor = body.next;
  }
}
