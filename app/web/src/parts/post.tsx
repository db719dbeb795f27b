// A post in a list, and on its own page.

import { useState } from "preact/hooks";
import { call, type Post } from "../api.js";
import { dropPost, like, post } from "../store/objects.js";
import { everyList } from "../store/lists.js";
import { me } from "../store/session.js";
import { toast } from "../store/toasts.js";
import { go, place } from "../router.js";
import { n, t } from "../text.js";
import { Avatar, Icon, Menu, Name, Time, type Item } from "./basics.js";
import { Composer } from "./composer.js";
import { Gallery } from "./media.js";
import { Rich } from "./rich.js";

/** page = it stands on its own page; thread = among the comments there, where it can be answered in its place. */
export function PostCard({ id, page = false, thread = false }: { id: string; page?: boolean; thread?: boolean }) {
  const p = post(id).value;
  const [edit, setEdit] = useState(false);
  const [answer, setAnswer] = useState(false);
  const [shown, show] = useState(false);
  if (!p) return null;
  if (p.deleted || !p.author) return <article class="card post gone" data-item={id}><p class="quiet">{t.post.deleted}</p></article>;
  const who = p.author, path = `/p/${p.id}`, mine = me.value?.id === who.id;
  const covered = !!p.warning && !shown;
  const open = (e: MouseEvent) => { // the whole card leads to the post, and nothing in it is in the way of that
    if (page || (e.target as Element).closest("a,button,input,textarea,select,dialog,[role=menu]") || getSelection()?.toString()) return;
    go(path);
  };
  const items: Item[] = [{ label: t.copyLink, does: () => {
    void navigator.clipboard?.writeText(p.url).then(() => toast(t.copied), () => toast(p.url));
  } }];
  if (mine) items.push({ label: t.post.edit, icon: "pen", does: () => setEdit(true) },
    { label: t.post.delete, icon: "close", danger: true, does: () => remove(p, page) });
  return <article class={`card post${page ? " whole" : ""}${p.reply_to ? " comment" : ""}`} data-item={id} tabIndex={page ? undefined : -1}
    aria-labelledby={`by-${id}`} onClick={open}>
    <header>
      <a href={`/@${who.username}`} tabIndex={-1} aria-hidden="true"><Avatar of={who} /></a>
      <div class="who" id={`by-${id}`}><Name of={who} /> <span class="quiet">@{who.username}</span></div>
      <div class="meta">
        {p.visibility !== "public" && <span class="quiet" title={t.post.visibility[p.visibility]}><Icon name="lock" />
          <span class="visually-hidden">{t.post.visibility[p.visibility]}</span></span>}
        <Time at={p.created_at} href={path} />{p.edited_at && <span class="quiet"> · {t.post.edited}</span>}
      </div>
    </header>
    {thread && p.reply_to && p.reply_to.post_id !== p.root_id && <Answered of={p.reply_to.post_id} />}
    {edit ? <Composer at={`edit ${id}`} edit={p} autofocus done={() => setEdit(false)} cancel={() => setEdit(false)} /> : <>
      {p.warning && <p class="warned"><Icon name="warn" /> <span dir="auto">{p.warning}</span>
        <button type="button" class="plain" aria-expanded={!covered} onClick={() => show(!shown)}>{covered ? t.post.show : t.post.hide}</button></p>}
      {!covered && <>
        {p.text && <div class="text" dir="auto"><Rich of={p} /></div>}
        <Gallery list={p.media} hidden={p.sensitive} />
      </>}
    </>}
    <footer>
      <Like of={p} />
      {thread ? me.value && <button type="button" class="plain reply" aria-label={t.post.reply} aria-expanded={answer}
        onClick={() => setAnswer(!answer)}><Icon name="comment" />{p.comment_count > 0 && ` ${n(p.comment_count)}`}</button>
        : !page && <a class="plain comments" href={path} aria-label={t.post.comments(p.comment_count)}><Icon name="comment" /> {n(p.comment_count)}</a>}
      <span class="end" />
      <Menu label={t.post.menu} items={items} />
    </footer>
    {answer && <Composer at={`reply to ${id}`} replyTo={id} autofocus done={() => setAnswer(false)} cancel={() => setAnswer(false)} />}
  </article>;
}

function Answered({ of }: { of: string }) {
  const to = post(of).value?.author;
  return to ? <p class="quiet answered">{t.post.inReply} <span dir="auto">@{to.username}</span></p> : null;
}

function Like({ of: p }: { of: Post }) {
  const liked = p.viewer?.liked ?? false;
  return <button type="button" class="plain like" aria-pressed={liked} aria-label={t.post.like(p.like_count)}
    onClick={() => (me.value ? void like(p.id, !liked) : go("/login"))}><Icon name="heart" /> {n(p.like_count)}</button>;
}

/** Takes a post off the page at once, and deletes it when its message ends and nobody has taken that back. */
function remove(p: Post, page: boolean) {
  const s = post(p.id);
  s.value = null;
  const free = s.subscribe((x) => { if (x) s.value = null; }); // a list that is fetched meanwhile still has it
  const back = () => { free(); s.value = p; };
  const ended = async () => {
    try {
      await call("DELETE", `/v1/posts/${p.id}`);
      free();
      dropPost(p.id);
      everyList((l) => l.drop(p.id));
      const root = p.reply_to && post(p.root_id), x = root && root.peek();
      if (root && x) root.value = { ...x, comment_count: Math.max(0, x.comment_count - 1) };
    } catch (err) {
      back();
      toast((err as Error).message);
    }
  };
  const away = page && !p.reply_to;
  toast(t.post.wasDeleted, { about: `delete ${p.id}`, ended, undo: () => {
    back();
    if (away && place.peek().path === "/") go(`/p/${p.id}`);
  } });
  if (away) go("/");
}
