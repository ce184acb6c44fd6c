// The direction of imports: http | worker | cli → services → disclosure → registry → store → profiles → protocol, with
// postgres (the embedded database) beside store, outbound (HTTP to others) for services alone, and threads
// (signatures beside the main one) for app.ts. Checked on an outline of
// the sources (scripts/import-outline.mjs), in which an import of types is a `require`.

const SERVER = '^packages/server/src/';
const EDGES = ['http', 'worker', 'cli'];
const LAYERS = ['services', 'disclosure', 'registry', 'store', 'profiles'];

const inFolders = (folders) => `${SERVER}(${folders.join('|')})/`;
const allBut = (allowed) =>
  `${SERVER}(?!(${allowed.map((name) => (name.endsWith('.ts') ? name.replace('.ts', '[.]js$') : `${name}/`)).join('|')}))`;

/** `folder` may import only itself and `allowed` of the server's source. */
function only(folder, allowed) {
  return {
    name: `${folder}-imports-inwards`,
    comment: `${folder} may import ${allowed.join(', ') || 'nothing else of the server'}`,
    severity: 'error',
    from: { path: inFolders([folder]) },
    to: { path: allBut([folder, ...allowed]) },
  };
}

function forbid(name, comment, from, to) {
  return { name, comment, severity: 'error', from, to };
}

export default {
  forbidden: [
    ...LAYERS.map((layer, index) => only(layer, [...LAYERS.slice(index + 1), ...(layer === 'services' ? ['outbound', 'config.ts'] : [])])),
    only('outbound', []),
    only('threads', []),
    only('postgres', ['store', 'config.ts']),
    ...EDGES.map((edge) => only(edge, [...LAYERS, 'config.ts', ...(edge === 'cli' ? ['postgres', 'app.ts'] : [])])),
    forbid(
      'config-stands-alone',
      'config.ts imports nothing of the server but how values are read',
      { path: `${SERVER}(config|setting-values)[.]js$` },
      { path: SERVER, pathNot: `${SERVER}setting-values[.]js$` },
    ),
    forbid(
      'web-framework-at-the-edge',
      "the web framework's objects stop at http/",
      { path: SERVER, pathNot: inFolders(['http']) },
      { path: '^@?fastify' },
    ),
    forbid(
      'protocol-is-pure',
      'no clock, network, database or file; nothing of the other packages',
      { path: '^packages/protocol/' },
      { path: ['^@dci/', '^(node:)?(fs|net|http|https|tls|dns|child_process|worker_threads|timers|process)(/|$)'] },
    ),
    forbid('client-knows-no-server', 'the client imports protocol only', { path: '^packages/client/' }, { path: '^@dci/(?!protocol$)' }),
    forbid(
      'packages-by-name',
      'one package imports another by its name',
      { path: '^((?:packages/)?[^/]+)/' },
      { path: '^(packages|bench|docs)/', pathNot: '^$1/' },
    ),
    forbid(
      'no-cycle',
      'files that import each other cannot be understood alone',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['require'] } },
    ),
  ],
  options: {
    moduleSystems: ['es6', 'cjs'],
  },
};
