// The start page: what those one follows write; for a visitor, what everybody writes.

import { title } from "../bell.js";
import { Composer } from "../parts/composer.js";
import { Empty } from "../parts/basics.js";
import { Feed } from "../parts/feed.js";
import { HOME, LOCAL, postList } from "../store/lists.js";
import { instance, me } from "../store/session.js";
import { t } from "../text.js";
import { useEffect } from "preact/hooks";
import { place } from "../router.js";

export function Home() {
  useEffect(() => title(""), []);
  const { back, key } = place.value;
  useEffect(() => { if (!back) postList(HOME).show(); }, [key]); // whoever comes here on purpose wants what is new
  if (!me.value) return <>
    <Welcome />
    <Everybody />
  </>;
  return <>
    <h1 class="visually-hidden">{t.nav.home}</h1>
    <div class="card"><Composer at="post" /></div>
    <Feed list={postList(HOME)} empty={<Empty icon="people"><p>{t.feed.emptyHome}</p><a class="button main" href="/people">{t.feed.find}</a></Empty>} />
  </>;
}

export function Local() {
  useEffect(() => title(t.nav.local), []);
  return <>
    <h1>{t.nav.local}</h1>
    {me.value && <div class="card"><Composer at="post" /></div>}
    <Everybody />
  </>;
}

const Everybody = () => <Feed list={postList(LOCAL)} empty={<Empty icon="globe"><p>{t.feed.emptyLocal}</p></Empty>} />;

export function Tag({ tag }: { tag: string }) {
  useEffect(() => title(`#${tag}`), [tag]);
  return <>
    <h1 dir="auto">#{tag}</h1>
    <Feed key={tag} list={postList(`/v1/tags/${encodeURIComponent(tag)}/posts`)} empty={<Empty icon="globe"><p>{t.feed.emptyTag(tag)}</p></Empty>} />
  </>;
}

function Welcome() {
  const site = instance.value;
  return <section class="card welcome">
    <img src="/assets/bell.svg" alt="" width="48" height="48" />
    <h1>{t.sign.welcome(site?.name ?? "Belfry")}</h1>
    <p>{t.about.lead} {t.about.guest}</p>
    {site?.registration === "closed" ? <p class="quiet">{t.about.closed}</p> : site?.registration === "invite" && <p class="quiet">{t.about.invite}</p>}
    <div class="row">
      {site?.registration !== "closed" && <a class="button main" href="/register">{t.nav.register}</a>}
      <a class="button" href="/login">{t.nav.login}</a>
    </div>
  </section>;
}
