// The parser of the package against one that reads the whole text at once: for texts by chance, cut at every place, the
// bytes of a character too. Called with the built package's folder and a seed.

const [folder, seed] = process.argv.slice(2);
const { parser } = await import(`${folder}/dist/wire.js`);

/** By the letter of the format: a BOM, lines by CRLF, LF or CR, an unfinished line and block dropped. */
function whole(text) {
  const frames = [];
  let id = "", type = "", data = null;
  const lines = text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n").replaceAll("\r", "\n").split("\n").slice(0, -1);
  for (const line of lines) {
    if (line === "") {
      if (data !== null) frames.push({ id, type: type || "message", data: JSON.parse(data) });
      [type, data] = ["", null];
    }
    const [, name, value] = /^([^:]*)(?:: ?([^]*))?$/.exec(line);
    if (name === "id" && !value?.includes("\0")) id = value ?? "";
    if (name === "event") type = value ?? "";
    if (name === "data") data = data === null ? value ?? "" : data + "\n" + (value ?? "");
  }
  return frames;
}

function pieces(chunks) {
  const frames = [], decoder = new TextDecoder(), parse = parser((f) => frames.push(f));
  for (const c of chunks) parse(decoder.decode(c, { stream: true }));
  return frames;
}

let state = Number(seed);
const random = (n) => { state = (state * 1103515245 + 12345) % 2147483648; return Math.floor((state / 2147483648) * n); };
const one = (list) => list[random(list.length)];
const value = () => JSON.stringify(one(["", "x", "née 👩‍👩‍👧", "\u2028", "id: 9", "\ufeff", "a".repeat(300)]));
const line = () => one([() => `id: ${random(9)}-${random(99)}`, () => "id:7", () => "id", () => "id: a\0b", () => "event: ready",
  () => "event:", () => ": hb", () => ":", () => "retry: 10", () => "unknown: x", () => "data:  " + value(), () => ""])();

let texts = 0, cuts = 0;
for (let n = 0; n < 400; n++) {
  let text = one(["", "\ufeff"]);
  for (let i = random(12); i >= 0; i--) {
    const end = one(["\n", "\n", "\r\n", "\r"]);
    text += random(3) ? line() + end : `event: e${i}${end}data: [1,${end}data:${value()}]${end}${end}`;
    if (text.endsWith("\n\n") || !random(3)) text += end;
  }
  text = text.replace(/(data:[^\n\r]*)(\r\n|\r|\n)(?=data:  )/g, "$1$2$2"); // two whole values make no JSON together
  let want;
  try {
    want = JSON.stringify(whole(text + "\n"));
  } catch {
    continue; // such a stream is broken off
  }
  texts++;
  const bytes = new TextEncoder().encode(text + "\n");
  for (let i = 0; i <= bytes.length; i++, cuts++) {
    const got = JSON.stringify(pieces([bytes.slice(0, i), bytes.slice(i)]));
    if (got !== want) throw new Error(`cut at ${i} of ${JSON.stringify(text)}\n got ${got}\nwant ${want}`);
  }
  const got = JSON.stringify(pieces([...bytes].map((b) => Uint8Array.of(b))));
  if (got !== want) throw new Error(`byte by byte ${JSON.stringify(text)}\n got ${got}\nwant ${want}`);
}
if (texts < 200) throw new Error(`only ${texts} texts`);

for (const endless of ["data: x", "data: 1\n", "id: 1\nx: y\nevent: z\n"]) {
  const parse = parser(() => {});
  let thrown = false;
  try {
    for (let i = 0; i < 1 << 21; i += 1 << 12) parse(endless.repeat((1 << 12) / endless.length + 1));
  } catch {
    thrown = true;
  }
  if (!thrown) throw new Error(`a block without an end is kept: ${endless}`);
}
const quiet = parser(() => {});
for (let i = 0; i < 1 << 21; i += 4096) quiet(": hb\n".repeat(1024)); // days of silence are no long block
console.log(`${texts} texts, ${cuts} cuts: done`);
