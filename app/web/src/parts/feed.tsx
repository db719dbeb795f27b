// A list of posts that goes on by itself.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import type { List } from "../store/lists.js";
import type { Post } from "../api.js";
import { place, restore } from "../router.js";
import { HOME } from "../store/lists.js";
import { t } from "../text.js";
import { Failed, Near, Spinner } from "./basics.js";
import { PostCard } from "./post.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** without = a post that stands elsewhere on the page. */
export function Feed({ list, empty, thread, without }: { list: List<Post>; empty: ComponentChildren; thread?: boolean; without?: string }) {
  useEffect(() => {
    list.shown++;
    void list.load(list.path !== HOME && !place.peek().back); // Home hears of everything
    return () => { list.shown--; };
  }, [list]);
  useLayoutEffect(() => { if (list.phase.value === "ready") restore(); });
  const ids = list.ids.value, phase = list.phase.value, fresh = list.fresh.value.length;
  if (phase === "loading" || phase === "empty") return <Spinner />;
  if (phase === "failed" && !ids.length) return <Failed text={list.problem.value?.message ?? ""} retry={() => void list.load(true)} />;
  return <div class="feed">
    {fresh > 0 && <div class="pill"><button type="button" class="main" onClick={() => { list.show(); scrollTo({ top: 0, behavior: still.matches ? "auto" : "smooth" }); }}>
      {t.feed.fresh(fresh)}</button></div>}
    {ids.map((id) => id !== without && <PostCard key={id} id={id} thread={thread} />)}
    {!ids.length && !list.more.value && empty}
    {phase === "failed" ? <Failed text={list.problem.value?.message ?? ""} retry={() => void list.further()} />
      : list.more.value ? <Near when={() => list.further()} /> : ids.length > 5 && <p class="empty quiet">{t.feed.end}</p>}
  </div>;
}
