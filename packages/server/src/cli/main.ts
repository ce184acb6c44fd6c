import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config.ts';
import { registerAudit } from './audit.ts';
import { registerDelivery } from './delivery.ts';
import { registerAuthority } from './authority.ts';
import { registerConsent } from './consent.ts';
import { registerDemo } from './demo.ts';
import { registerDoctor } from './doctor.ts';
import { registerDuplicates } from './duplicates.ts';
import { registerExtract } from './extract.ts';
import { registerGenerate } from './generate.ts';
import { registerImport } from './import.ts';
import { registerInbox } from './inbox.ts';
import { registerIssuerCommand } from './issuer.ts';
import { registerKey } from './key.ts';
import { registerLocation } from './location.ts';
import { registerMigrate } from './migrate.ts';
import { CommandFailed, EXIT, printNote, UsageError } from './output.ts';
import { registerPartnerCommand } from './partner.ts';
import { registerProfile } from './profile.ts';
import { registerRecord } from './record.ts';
import { registerSearch } from './search.ts';
import { registerServe } from './serve.ts';
import { registerSubscribe, registerUnsubscribe } from './subscribe.ts';
import { registerSubscription } from './subscription.ts';
import { registerToken } from './token.ts';

// The command line: one file a command, each with a function that adds it to the program. A command reads its options,
// calls a service and prints; it decides nothing that another edge would decide too. Results go to stdout, everything
// else to stderr; exit status 0 is fine, 1 failed, 2 called in the wrong way.

const COMMANDS: readonly ((program: Command) => void)[] = [
  registerServe,
  registerDemo,
  registerMigrate,
  registerDoctor,
  registerGenerate,
  registerImport,
  registerRecord,
  registerDuplicates,
  registerExtract,
  registerProfile,
  registerPartnerCommand,
  registerConsent,
  registerAuthority,
  registerToken,
  registerSubscription,
  registerIssuerCommand,
  registerKey,
  registerAudit,
  registerDelivery,
  registerInbox,
  registerLocation,
  registerSearch,
  registerSubscribe,
  registerUnsubscribe,
];

/** Runs one command line (without `node` and the script); resolves to its exit status. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  if (!process.stdout.listeners('error').includes(endWhenNobodyReads)) process.stdout.on('error', endWhenNobodyReads);
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
    return takeExitCode();
  } catch (error) {
    return report(error);
  }
}

/** All commands; also what the reference page is made of. */
export function createProgram(): Command {
  const program = new Command('dci')
    .description('A registry server for the DCI (SPDCI) interfaces. Settings come from DCI_… environment variables.')
    .exitOverride()
    .showHelpAfterError('(--help shows how it is used)');
  for (const register of COMMANDS) register(program);
  return program;
}

/** A command that did its work, but found something that its caller must hear of, sets `process.exitCode`. */
function takeExitCode(): number {
  const { exitCode } = process;
  process.exitCode = undefined;
  return typeof exitCode === 'number' ? exitCode : EXIT.fine;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  printNote(`dci: ${describe(error)}`);
  return error instanceof UsageError || error instanceof ConfigError ? EXIT.usage : EXIT.failed;
}

function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describe).join('; ');
  if (!(error instanceof Error)) return String(error);
  const isOurs = error instanceof CommandFailed || error instanceof UsageError || error instanceof ConfigError;
  return isOurs || !isDefect(error) ? error.message : (error.stack ?? error.message);
}

/** A mistake in the program itself: whoever reports it needs the place. */
function isDefect(error: Error): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
}

// `dci generate | head`: the reader has what it wants.
function endWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.fine);
  throw error;
}
