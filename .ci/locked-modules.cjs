// Exits 0 when node_modules holds exactly what package-lock.json names: every installed package is locked with the
// same version and integrity, and every locked package that is not optional is installed. Runs on any Node.
const { readFileSync, existsSync } = require("node:fs");

const packages = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
const hidden = "node_modules/.package-lock.json";
if (!existsSync(hidden)) {
  console.error("node_modules is not there");
  process.exit(1);
}
const locked = packages("package-lock.json");
const installed = packages(hidden);
const wrong = [];
for (const [path, entry] of Object.entries(installed)) {
  const lock = locked[path];
  if (!lock) wrong.push(`${path} is installed and not locked`);
  else if (lock.version !== entry.version || lock.integrity !== entry.integrity) wrong.push(`${path} is not the locked one`);
}
for (const [path, entry] of Object.entries(locked)) {
  const wanted = path !== "" && !entry.optional && !entry.peer;
  if (wanted && !(installed[path] && existsSync(`${path}/package.json`))) wrong.push(`${path} is locked and not installed`);
}
const pinned = `node_modules/node-linux-${process.arch}`;
if (locked[pinned] && !existsSync(`${pinned}/bin/node`)) wrong.push(`${pinned} is not installed`);
for (const line of wrong) console.error(line);
process.exit(wrong.length === 0 ? 0 : 1);
