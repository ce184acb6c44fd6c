import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { proofBySecret } from '../services/client-proof.ts';
import { type IssuedToken, makeToken } from '../services/issue-token.ts';
import { getPartner } from '../services/register-partner.ts';
import { createTokenKeys } from '../services/token-keys.ts';
import { loadCredentialsOf } from '../store/credentials.ts';
import type { Db } from '../store/database.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine } from './output.ts';
import { openKeys } from './own-keys.ts';

/** `dci token`: an access token for an operator who tries something as a partner. */
export function registerToken(program: Command): void {
  const command = program
    .command('token')
    .description('print an access token of a partner, as it would get one with its client secret')
    .requiredOption('--partner <sender-id>', 'the partner')
    .option('--json', 'print {access_token, token_type, expires_in, scope}')
    .action(printToken);
  addExamples(command, 'dci token --partner mis.example.org');
}

async function printToken({ partner: senderId, json }: { partner: string; json?: boolean }): Promise<void> {
  const config = loadConfig();
  const { token, expiresInSeconds, scopes } = await withDatabase(config, ({ db }) => makeTokenFor(db, config, senderId));
  if (json) printJson({ access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds, scope: scopes.join(' ') });
  else printLine(token);
}

async function makeTokenFor(db: Db, config: Config, senderId: string): Promise<IssuedToken> {
  const partner = await getPartner(db, senderId);
  const [credential] = await loadCredentialsOf(db, partner.id);
  if (!partner.active) throw new CommandFailed(`${senderId} is not active; "dci partner enable ${senderId}" lets it in again`);
  if (credential === undefined) throw new CommandFailed(`${senderId} has no client; "dci partner rotate-secret ${senderId}" makes one`);
  const signingKeys = await openKeys(db, config);
  try {
    const tokenKeys = createTokenKeys(signingKeys, config.jwtSecret);
    const grant = { clientId: credential.clientId, proof: proofBySecret(credential), scopes: [...partner.scopes] };
    return await makeToken({ ...config, tokenKeys, now: Date.now }, grant);
  } finally {
    signingKeys.close();
  }
}
