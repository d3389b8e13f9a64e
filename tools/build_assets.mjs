// Copies the portal's third-party scripts from node_modules into the package, where they are served but never committed.
// It must not fetch anything: `npm ci` did that, against the hashes in package-lock.json.

import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, "node_modules");
const TARGET = join(ROOT, "src/openlockbox/web/portal/static/vendor");
const BUILD = `${TARGET}.new`; // renamed at the end, so that a half-made directory is never served

const HTMX = "htmx.org";
const VIEWER = "@devolutions/iron-remote-desktop";
const RDP = "@devolutions/iron-remote-desktop-rdp";

const read = (...parts) => readFileSync(join(MODULES, ...parts));
const about = (name) => JSON.parse(read(name, "package.json").toString());
const files = [];

function write(name, content, packageName) {
  writeFileSync(join(BUILD, name), content);
  const bytes = Buffer.from(content);
  files.push({
    file: name,
    package: packageName,
    version: about(packageName).version,
    license: about(packageName).license,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });
}

// The RDP backend carries its WebAssembly as a base64 data: URL. Served as a file of its own it is a quarter smaller, is
// compiled while it streams, and the page's Content-Security-Policy needs no `connect-src data:`.
function splitWasm(source) {
  const inline = /const (\w+) = "data:application\/wasm;base64,([A-Za-z0-9+/=]+)"/g;
  const found = [...source.matchAll(inline)];
  if (found.length !== 1) throw new Error(`${RDP}: expected one inline WebAssembly module, found ${found.length}`);
  const [whole, variable, base64] = found[0];
  const wasm = Buffer.from(base64, "base64");
  if (!WebAssembly.validate(wasm)) throw new Error(`${RDP}: what was split out is not valid WebAssembly`);
  // A function as replacement: `$` in a replacement string would be special.
  const script = source.replace(whole, () => `const ${variable} = new URL("./iron_bg.wasm", import.meta.url).href`);
  return { script, wasm };
}

rmSync(BUILD, { recursive: true, force: true });
mkdirSync(BUILD, { recursive: true });

write("htmx.min.js", read(HTMX, "dist/htmx.min.js"), HTMX);
write("htmx.LICENSE.txt", read(HTMX, "LICENSE"), HTMX);

const { script, wasm } = splitWasm(read(RDP, "iron-remote-desktop-rdp.js").toString());
write("iron-remote-desktop.js", read(VIEWER, "iron-remote-desktop.js"), VIEWER);
write("iron-remote-desktop-rdp.js", script, RDP);
write("iron_bg.wasm", wasm, RDP);

// IronRDP is "MIT OR Apache-2.0" and its npm packages carry no licence file. We take it under Apache-2.0, our own licence.
for (const name of [VIEWER, RDP]) {
  if (!about(name).license.split(" OR ").includes("Apache-2.0")) throw new Error(`${name}: no longer Apache-2.0`);
}
write("iron-remote-desktop.LICENSE.txt", readFileSync(join(ROOT, "LICENSE")), RDP);

for (const { file } of files.filter(({ file }) => file.endsWith(".js"))) {
  const kind = file.startsWith("iron") ? "module" : "commonjs";
  execFileSync(process.execPath, [`--input-type=${kind}`, "--check", "-"], { input: readFileSync(join(BUILD, file)) });
}

writeFileSync(join(BUILD, "manifest.json"), `${JSON.stringify({ version: 1, files }, null, 2)}\n`);
rmSync(TARGET, { recursive: true, force: true });
renameSync(BUILD, TARGET);
for (const { file, version, bytes } of files) console.log(`${file} (${version}, ${bytes} bytes)`);
