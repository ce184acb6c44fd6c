import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './bootstrap.mjs';
import { captureChild } from './child.mjs';
import { writeOutline } from './import-outline.mjs';

/** Names the rules that a tree of `files` breaks. */
async function findBrokenRules(files) {
  const folder = mkdtempSync(join(tmpdir(), 'dci-imports-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  writeOutline(folder, ['packages'], join(folder, 'outline'));
  const options = ['--config', join(ROOT, '.dependency-cruiser.mjs'), '--output-type', 'json', 'packages'];
  const { output } = await captureChild(join(ROOT, 'node_modules', '.bin', 'depcruise'), options, { cwd: join(folder, 'outline') });
  rmSync(folder, { recursive: true });
  return [...new Set(JSON.parse(output).summary.violations.map((violation) => violation.rule.name))];
}

const server = (path) => `packages/server/src/${path}`;

it.each([
  ['an inner folder imports an edge', server('store/a.ts'), `import { b } from '../http/b.ts';`, 'store-imports-inwards'],
  ['so do types', server('registry/a.ts'), `import type {\n  B,\n} from '../http/b.ts';`, 'registry-imports-inwards'],
  ['an edge imports another', server('cli/a.ts'), `export * from '../http/b.ts';`, 'cli-imports-inwards'],
  ['by a call', server('worker/a.ts'), `const load = async () => import('../http/b.ts');`, 'worker-imports-inwards'],
  ['the outgoing client knows a store', server('outbound/a.ts'), `import { b } from '../http/b.ts';`, 'outbound-imports-inwards'],
  ['the web framework comes in', server('services/a.ts'), `import fastify from 'fastify';`, 'web-framework-at-the-edge'],
  ['the protocol reads a file', 'packages/protocol/src/a.ts', `import { readFileSync } from 'node:fs';`, 'protocol-is-pure'],
  ['the client imports the server', 'packages/client/src/a.ts', `import { b } from '@dci/server';`, 'client-knows-no-server'],
  ['a package is imported by path', 'packages/client/src/a.ts', `import { b } from '../../server/src/http/b.ts';`, 'packages-by-name'],
])('refuses it when %s', async (_what, path, text, rule) => {
  expect(await findBrokenRules({ [path]: text, [server('http/b.ts')]: 'export const b = 1;' })).toEqual([rule]);
});

it('refuses files that import each other, but not their types', async () => {
  const pair = (back) => ({ [server('store/a.ts')]: `import { b } from './b.ts';`, [server('store/b.ts')]: back });
  expect(await findBrokenRules(pair(`import { a } from './a.ts';`))).toEqual(['no-cycle']);
  expect(await findBrokenRules(pair(`import type { A } from './a.ts';`))).toEqual([]);
});

it('lets the outer import the inner', async () => {
  const files = { [server('http/b.ts')]: `import { a } from '../store/a.ts';`, [server('store/a.ts')]: `import { sql } from 'kysely';` };
  expect(await findBrokenRules(files)).toEqual([]);
});
