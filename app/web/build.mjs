// Builds what the binary serves: app.js and app.css (the page) and belfry.js (the package and its elements, for other
// pages). The same sources give the same bytes.
//
//   node build.mjs                    into static
//   node build.mjs <static> <package> into that folder, and the package for npm into the other

import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const MOST = 40 * 1024; // bytes of the page's script, gzipped

const [to = "static", pack] = process.argv.slice(2);
const base = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", charset: "utf8",
  logLevel: "warning" };

await build({ ...base, entryPoints: ["src/main.tsx"], outfile: `${to}/app.js`, jsx: "automatic", jsxImportSource: "preact" });
await build({ ...base, entryPoints: ["src/style.css"], outfile: `${to}/app.css` });
await build({ ...base, entryPoints: ["client/src/elements.ts"], outfile: `${to}/belfry.js` });

const weight = (name) => gzipSync(readFileSync(`${to}/${name}`), { level: 9 }).length;
for (const name of ["app.js", "app.css", "belfry.js"]) console.log(name, weight(name));
if (weight("app.js") > MOST) {
  console.error(`app.js is larger than ${MOST} bytes`);
  process.exit(1);
}

if (pack) {
  mkdirSync(pack, { recursive: true });
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--outDir", `${pack}/dist`, "-p", "client"],
    { stdio: "inherit" });
  for (const name of ["package.json", "README.md"]) cpSync(`client/${name}`, `${pack}/${name}`);
  cpSync("../../LICENSE", `${pack}/LICENSE`);
}
