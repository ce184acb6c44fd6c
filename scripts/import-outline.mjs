import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

// dependency-cruiser reads TypeScript through the compiler's JavaScript interface, which TypeScript 7 does not have, and
// in the built JavaScript imports of types are gone, though direction matters for them too. So it is given an outline of
// the sources: for each file a JavaScript file that holds its imports and nothing else. An import of types is written as
// a `require`, by which the rules can tell the two apart.

const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[\w\s{},*$]+?\sfrom\s+)?'([^']+)'/gm;
const DYNAMIC = /\bimport\('([^']+)'\)/g;

/**
 * Writes the outline of the folders `sources` of `root` into `outline`, under the same paths.
 * @returns {number} how many files there are
 */
export function writeOutline(root, sources, outline) {
  rmSync(outline, { recursive: true, force: true });
  const files = sources.flatMap((folder) => listSources(join(root, folder)));
  for (const file of files) {
    const target = join(outline, toJavaScript(relative(root, file)));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outlineOf(readFileSync(file, 'utf8')));
  }
  return files.length;
}

function outlineOf(text) {
  const statements = [...text.matchAll(STATEMENT)].map(([, type, name]) =>
    type === undefined ? `import '${toJavaScript(name)}';` : `require('${toJavaScript(name)}');`,
  );
  const dynamic = [...text.matchAll(DYNAMIC)].map(([, name]) => `import '${toJavaScript(name)}';`);
  return [...statements, ...dynamic, ''].join('\n');
}

function toJavaScript(name) {
  return name.replace(/\.ts$/, '.js');
}

function listSources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}
