import type { Command } from 'commander';
import { RegistrationError } from '../services/partner-terms.ts';
import { ISSUER_ALGORITHMS, registerIssuer } from '../services/register-issuer.ts';
import type { Db } from '../store/database.ts';
import { loadPartners } from '../store/partners.ts';
import { deleteTokenIssuer, loadTokenIssuers } from '../store/token-issuers.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable, UsageError } from './output.ts';
import { collect } from './partner-options.ts';

/** `dci issuer …`: authorization servers of others whose tokens are believed. */
export function registerIssuerCommand(program: Command): void {
  const issuer = program
    .command('issuer')
    .description('authorization servers of others, such as Keycloak, whose access tokens are believed');
  registerAdd(issuer);
  registerList(issuer);
  registerRemove(issuer);
}

interface AddOptions {
  readonly audience: string;
  readonly claim: string;
  readonly partner: readonly string[];
  readonly scopeClaim: string;
  readonly partnerScopes?: boolean;
  readonly algorithms: string;
  readonly jwksUrl?: string;
  readonly clockTolerance: string;
  readonly json?: boolean;
}

function registerAdd(issuer: Command): void {
  const command = issuer
    .command('add')
    .description('believe the tokens of an issuer, for the partners named and no others; once more replaces what was said before')
    .argument('<url>', 'the issuer, exactly as in the claim "iss" of its tokens')
    .requiredOption('--audience <name>', 'what its tokens for this server have in "aud"')
    .requiredOption('--partner <value=sender-id>', 'a value of the claim, and the partner it stands for; may be repeated', collect)
    .option('--claim <name>', 'the claim that says who calls', 'azp')
    .option('--scope-claim <name>', 'the claim that holds the scopes', 'scope')
    .option('--partner-scopes', 'its tokens name no scopes of ours: those of the partner apply')
    .option('--algorithms <list>', 'what its tokens may be signed with', ISSUER_ALGORITHMS.join(','))
    .option('--jwks-url <url>', 'where its keys are, if it cannot be discovered')
    .option('--clock-tolerance <seconds>', 'how far its clock may be from ours', '30')
    .option('--json', 'print the issuer as one JSON object')
    .action(add);
  addExamples(
    command,
    'dci issuer add https://sso.example.org/realms/social --audience registry.example.org --partner mis-client=mis.example.org',
  );
}

async function add(url: string, options: AddOptions): Promise<void> {
  const config = loadConfig();
  const registration = {
    issuer: url,
    audience: options.audience,
    partnerClaim: options.claim,
    scopeClaim: options.partnerScopes === true ? undefined : options.scopeClaim,
    algorithms: options.algorithms.split(',').map((name) => name.trim()),
    jwksUrl: options.jwksUrl,
    clockToleranceSeconds: Number(options.clockTolerance),
    senderIds: new Map(options.partner.map(parsePartner)),
    ownName: config.senderId,
  };
  try {
    const found = await withDatabase(config, async ({ db }) => {
      await registerIssuer(db, config, registration);
      return (await loadListed(db)).find(({ issuer }) => issuer === url);
    });
    if (options.json) printJson(found);
    else printLine(`tokens of ${url} are believed; its keys are fetched from ${found?.jwks_url}`);
  } catch (error) {
    throw error instanceof RegistrationError ? new UsageError(error.message) : error;
  }
}

function parsePartner(text: string): [string, string] {
  const [, value, senderId] = /^(.+)=([^=]+)$/.exec(text) ?? [];
  if (value === undefined || senderId === undefined) throw new UsageError(`"${text}" is not of the form value=sender-id`);
  return [value, senderId];
}

function registerList(issuer: Command): void {
  const command = issuer
    .command('list')
    .description('list the issuers whose tokens are believed, and for whom')
    .option('--json', 'print a JSON list')
    .action(async ({ json }: { json?: boolean }) => {
      const listed = await withDatabase(loadConfig(), ({ db }) => loadListed(db));
      if (json) printJson(listed);
      else
        printTable(
          ['issuer', 'audience', 'claim', 'scopes', 'algorithms', 'partners'],
          listed.map((entry) => [
            entry.issuer,
            entry.audience,
            entry.claim,
            entry.scope_claim ?? "the partner's",
            entry.algorithms,
            describePartners(entry.partners),
          ]),
        );
    });
  addExamples(command, 'dci issuer list');
}

function describePartners(partners: Readonly<Record<string, string>>): string[] {
  return Object.entries(partners).map(([value, senderId]) => `${value}=${senderId}`);
}

async function loadListed(db: Db) {
  const senderIds = new Map((await loadPartners(db)).map(({ id, senderId }) => [id, senderId]));
  return (await loadTokenIssuers(db)).map((entry) => ({
    issuer: entry.issuer,
    jwks_url: entry.jwksUrl,
    audience: entry.audience,
    claim: entry.partnerClaim,
    scope_claim: entry.scopeClaim ?? null,
    algorithms: entry.algorithms,
    clock_tolerance_seconds: entry.clockToleranceSeconds,
    partners: Object.fromEntries([...entry.partners].map(([value, id]) => [value, senderIds.get(id) ?? ''])),
  }));
}

function registerRemove(issuer: Command): void {
  const command = issuer
    .command('remove')
    .description('believe an issuer no longer; its tokens are refused at once')
    .argument('<url>', 'the issuer')
    .action(async (url: string) => {
      const removed = await withDatabase(loadConfig(), ({ db }) => deleteTokenIssuer(db, url));
      if (!removed) throw new CommandFailed(`no issuer is registered as "${url}"`);
      printLine(`tokens of ${url} are not believed any more`);
    });
  addExamples(command, 'dci issuer remove https://sso.example.org/realms/social');
}
