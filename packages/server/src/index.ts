// What the benchmark and the documentation are made from. The server's own way in is its command line.
export { createProgram } from './cli/main.ts';
export { SETTINGS } from './config.ts';
export { AGREEMENT_SCHEMA } from './services/agreement.ts';
export { connectDatabase, openConfiguredDatabase, type OpenedDatabase } from './postgres/open-database.ts';
export { BUILT_IN_PROFILES } from './profiles/index.ts';
export { reconcileProfile } from './registry/reconcile.ts';
export { putRecords } from './registry/write.ts';
export { fanOut } from './services/fan-out.ts';
export { compileLookUp, compileLookUps, type LookUpPlan } from './registry/look-up.ts';
export { openSignatureExecutor } from './threads/signature-executor.ts';
