import { registerHooks } from 'node:module';

// Loaded before `dci serve` (node --import): the program then gets this in place of its way to the audit trail, so that
// what is left is the search without its audit. For measuring only; `audit.ts` checks that no row was written.

const REPLACED = /\/packages\/server\/dist\/disclosure\/audit-log\.js$/;

const REPLACEMENT = `
export class WithheldError extends Error {}
export function openAuditLog() {
  return { release: async (entry, write) => ({ text: await write() }), close: async () => {} };
}
`;

registerHooks({
  load: (url, context, next) => (REPLACED.test(url) ? { format: 'module', source: REPLACEMENT, shortCircuit: true } : next(url, context)),
});
