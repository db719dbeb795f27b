// One post with everything below it.

import { useEffect, useState } from "preact/hooks";
import { title } from "../bell.js";
import { Problem } from "../api.js";
import { Failed, Icon, Spinner } from "../parts/basics.js";
import { Composer } from "../parts/composer.js";
import { Feed } from "../parts/feed.js";
import { PostCard } from "../parts/post.js";
import { back } from "../router.js";
import { fetchPost, known, post } from "../store/objects.js";
import { postList, renewals } from "../store/lists.js";
import { me } from "../store/session.js";
import { t } from "../text.js";
import { NotFound } from "./other.js";

export function Thread({ id }: { id: string }) {
  const [problem, set] = useState<Problem | null>(null);
  const [asked, setAsked] = useState(false);
  const p = post(id).value;
  useEffect(() => {
    set(null);
    fetchPost(id).then(() => setAsked(true), set);
  }, [id, me.value?.id, renewals.value]);
  const root = p && p.root_id !== p.id ? p.root_id : "";
  useEffect(() => { if (root && !known(root)) fetchPost(root).catch(() => {}); }, [root]);
  useEffect(() => title(p?.author ? `${p.author.display_name}: ${[...(p.warning || p.text)].slice(0, 60).join("")}` : ""), [p?.id]);
  if (problem && !p) return <Failed text={problem.message} retry={() => location.reload()} />;
  if (!p) return asked ? <NotFound /> : <Spinner />;
  const list = postList(`/v1/posts/${p.root_id}/comments`);
  return <>
    <div class="row head"><button type="button" class="plain" aria-label={t.nav.back} onClick={back}><Icon name="left" /></button>
      <h1>{t.compose.label}</h1></div>
    {root && <PostCard id={root} />}
    <PostCard id={id} page />
    {me.value ? <div class="card"><Composer at={`reply to ${id}`} replyTo={id} /></div>
      : <p class="card"><a href="/login">{t.nav.login}</a></p>}
    <h2>{t.post.thread}</h2>
    <Feed list={list} thread without={id} empty={<p class="empty quiet">{t.post.noComments}</p>} />
  </>;
}
