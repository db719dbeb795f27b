import { useEffect } from "preact/hooks";
import { title } from "../bell.js";
import { Dialog, Empty } from "../parts/basics.js";
import { t } from "../text.js";

export function NotFound() {
  useEffect(() => title(t.nothing), []);
  return <Empty icon="globe"><h1>{t.nothing}</h1><p class="quiet">{t.nothingMore}</p><a class="button" href="/">{t.toStart}</a></Empty>;
}

export function Keys({ close }: { close: () => void }) {
  return <Dialog label={t.keys.title} class="keys" close={close}>
    <h2>{t.keys.title}</h2>
    <dl>{t.keys.list.map(([key, words]) => <div key={key}><dt>{key!.split(" ").map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{words}</dd></div>)}</dl>
    <button type="button" autofocus onClick={close}>{t.close}</button>
  </Dialog>;
}
