// Builds what the binary serves: static/app.js and app.css (the page) and static/belfry.js (the elements for other
// pages); and, with an argument, the package for npm into that folder. The same sources give the same bytes.

import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const MOST = 40 * 1024; // bytes of the page's script, gzipped

const base = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", charset: "utf8",
  logLevel: "warning" };

await build({ ...base, entryPoints: ["src/main.tsx"], outfile: "static/app.js", jsx: "automatic", jsxImportSource: "preact" });
await build({ ...base, entryPoints: ["src/style.css"], outfile: "static/app.css" });
await build({ ...base, entryPoints: ["client/src/elements.ts"], outfile: "static/belfry.js" });

const weight = (name) => gzipSync(readFileSync(`static/${name}`), { level: 9 }).length;
for (const name of ["app.js", "app.css", "belfry.js"]) console.log(name, weight(name));
if (weight("app.js") > MOST) {
  console.error(`app.js is larger than ${MOST} bytes`);
  process.exit(1);
}

const [to] = process.argv.slice(2);
if (to) {
  execFileSync("npx", ["tsc", "--noEmit", "false", "--declaration", "--outDir", `${to}/dist`, "--rootDir", "client/src",
    "--lib", "ES2022,DOM,DOM.Iterable,DOM.AsyncIterable", "--target", "ES2022", "--module", "ESNext", "--moduleResolution",
    "Bundler", "--strict", "--skipLibCheck", "client/src/index.ts", "client/src/elements.ts"], { stdio: "inherit" });
  const about = JSON.parse(readFileSync("client/package.json", "utf8"));
  writeFileSync(`${to}/package.json`, JSON.stringify(about, null, 2) + "\n");
  cpSync("client/README.md", `${to}/README.md`);
}
