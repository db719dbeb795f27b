import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { title } from "../bell.js";
import { Problem, type User } from "../api.js";
import { Avatar, Empty, Failed, Icon, Near, Spinner } from "../parts/basics.js";
import { Feed } from "../parts/feed.js";
import { Rich } from "../parts/rich.js";
import { go, place, restore } from "../router.js";
import { fetchPerson, follow, idOf, person } from "../store/objects.js";
import { peopleList, postList, renewals, type List } from "../store/lists.js";
import { me } from "../store/session.js";
import { t } from "../text.js";
import { NotFound } from "./other.js";

type Tab = "posts" | "comments" | "media";

const QUERY: Record<Tab, string> = { posts: "", comments: "?comments=true", media: "?media=true" };

/** Gives a person by name, fetching what is not known or may be old. */
function usePerson(name: string): { user: User | null; problem: Problem | null } {
  const [problem, set] = useState<Problem | null>(null);
  const id = idOf(name);
  const user = id ? person(id).value : null;
  const [, turn] = useState(0);
  useEffect(() => {
    let gone = false;
    set(null);
    fetchPerson(name).then(() => { if (!gone) turn((x) => x + 1); }, (err) => { if (!gone) set(err); });
    return () => { gone = true; };
  }, [name, me.value?.id, renewals.value]);
  return { user, problem };
}

export function Person({ name, part }: { name: string; part?: string }) {
  const { user, problem } = usePerson(name);
  const asked = place.value.query.get("tab") as Tab, tab = asked in QUERY ? asked : "posts";
  useEffect(() => title(user ? `${user.display_name} (@${user.username})` : `@${name}`), [user?.display_name]);
  if (problem && !user) return problem.status === 404 ? <NotFound /> : <Failed text={problem.message} retry={() => location.reload()} />;
  if (!user) return <Spinner />;
  if (part) return <>
    <h1><a href={`/@${user.username}`} dir="auto">{user.display_name}</a> · {part === "followers" ? t.person.followersOf : t.person.followingOf}</h1>
    <People list={peopleList(`/v1/users/${user.id}/${part}`)} empty={t.person.nobody} />
  </>;
  return <>
    <Head user={user} />
    <div class="tabs" role="tablist">
      {(["posts", "comments", "media"] as const).map((x) => <button type="button" key={x} role="tab" aria-selected={tab === x}
        onClick={() => go(`/@${user.username}${x === "posts" ? "" : `?tab=${x}`}`, true)}>{{ posts: t.person.tabPosts, comments: t.person.tabComments, media: t.person.tabMedia }[x]}</button>)}
    </div>
    <Feed key={user.id + tab} list={postList(`/v1/users/${user.id}/posts${QUERY[tab]}`)} empty={<Empty icon="pen"><p>{t.person.none}</p></Empty>} />
  </>;
}

function Head({ user: u }: { user: User }) {
  const mine = me.value?.id === u.id, path = `/@${u.username}`;
  return <section class="card person">
    <div class="row top"><Avatar of={u} size="l" /><span class="end" />
      {mine ? <a class="button" href="/settings">{t.person.edit}</a> : <Follow of={u} />}</div>
    <h1 dir="auto">{u.display_name}</h1>
    <p class="quiet">@{u.username}{u.viewer?.followed_by && <span class="tag">{t.person.followsYou}</span>}</p>
    {u.bio && <p class="bio" dir="auto"><Rich of={{ text: u.bio, mentions: [], tags: [] }} /></p>}
    <p class="counts"><span>{t.person.posts(u.posts_count)}</span> <a href={`${path}/followers`}>{t.person.followers(u.followers_count)}</a>
      {" "}<a href={`${path}/following`}>{t.person.follows(u.following_count)}</a></p>
  </section>;
}

export function Follow({ of: u }: { of: User }) {
  if (me.value?.id === u.id) return null;
  if (!me.value) return <a class="button main" href="/login">{t.person.follow}</a>;
  if (!u.viewer) return null;
  const on = u.viewer.follow === "following";
  return <div class="row">
    {on && <button type="button" class="plain bell-toggle" aria-pressed={u.viewer.notify}
      aria-label={u.viewer.notify ? t.person.bellOn : t.person.bellOff} title={u.viewer.notify ? t.person.bellOn : t.person.bellOff}
      onClick={() => void follow(u.id, true, !u.viewer!.notify)}><Icon name={u.viewer.notify ? "bell" : "muted"} /></button>}
    <button type="button" class={on ? "" : "main"} aria-pressed={on} onClick={() => void follow(u.id, !on)}>
      {on ? t.person.unfollow : t.person.follow}</button>
  </div>;
}

/** A list of people that goes on by itself, or its first page. */
export function People({ list, empty, first = false }: { list: List<User>; empty: string; first?: boolean }) {
  useEffect(() => {
    list.shown++;
    void list.load(!place.peek().back);
    return () => { list.shown--; };
  }, [list]);
  useLayoutEffect(() => { if (list.phase.value === "ready") restore(); });
  const ids = list.ids.value, phase = list.phase.value;
  if (phase === "loading" || phase === "empty") return <Spinner />;
  if (phase === "failed") return <Failed text={list.problem.value?.message ?? ""} retry={() => void list.load(true)} />;
  return <div class="people">
    {ids.map((id) => <PersonRow key={id} id={id} />)}
    {!ids.length && <Empty icon="people"><p>{empty}</p></Empty>}
    {!first && list.more.value && <Near when={() => list.further()} />}
  </div>;
}

function PersonRow({ id }: { id: string }) {
  const u = person(id).value;
  if (!u) return null;
  return <div class="card person-row" data-item={id}>
    <a href={`/@${u.username}`} tabIndex={-1} aria-hidden="true"><Avatar of={u} /></a>
    <div class="words"><a class="name" href={`/@${u.username}`} dir="auto">{u.display_name}</a> <span class="quiet">@{u.username}</span>
      {u.bio ? <p class="bio" dir="auto">{u.bio}</p> : <p class="quiet">{t.person.followers(u.followers_count)} · {t.person.posts(u.posts_count)}</p>}</div>
    <Follow of={u} />
  </div>;
}

