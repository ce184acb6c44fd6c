import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createDciClient, type DciClient, type FetchedManifest } from '@dci/client';
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, readCredentials, readServer, tellRefusal } from './client-options.ts';
import { describeExtract, summarizeExtract } from './extract-description.ts';
import { addExamples, CommandFailed, printJson, printLine, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { tapBytes } from './tap-bytes.ts';

interface FetchOptions extends ConnectionOptions {
  readonly jwks?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export function registerExtractFetch(extract: Command): void {
  const command = extract
    .command('fetch')
    .argument('<url>', 'address of the extract, as on-export gives it')
    .description('fetch the sealed file of an extract, and beside it its manifest, verified; goes on where an earlier run was cut off');
  addConnectionOptions(command)
    .option('--jwks <url>', "the server's keys; default: .well-known/jwks.json below --server")
    .option('--out <file>', 'where to; the manifest goes to <file>.jws; default: <id of the extract>.sealed')
    .option('--json', 'print one JSON object')
    .action(fetchExtract);
  addExamples(
    command,
    'dci extract fetch https://social.example.org/api/v2/dci/registry/extracts/019a8f4e-1111-7000-8000-000000000001 --server https://social.example.org/api/v2/dci --sender-id university.example.org --client-id university --client-secret-file secret',
  );
}

async function fetchExtract(url: string, options: FetchOptions): Promise<void> {
  if (options.senderId === undefined) throw new UsageError('--sender-id must say to whom the extract is made out');
  const server = readServer(options.server).replace(/\/+$/, '');
  if (!url.startsWith(`${server}/`)) throw new UsageError('the extract must lie below --server: the token is for that server alone');
  const client = createDciClient({
    baseUrl: server,
    senderId: options.senderId,
    receiverId: options.receiverId,
    credentials: readCredentials(options),
    jwksUrl: options.jwks,
  });
  const fetched = await tellRefusal(client.fetchExtractManifest(url));
  const { manifest } = fetched;
  const out = options.out ?? `${manifest.extract_id}.sealed`;
  if (existsSync(out)) await assertIsExtract(out, fetched);
  else await tellRefusal(fetchContent(client, url, fetched, out));
  // Last: who sees it has both.
  writeFileSync(manifestFileOf(out), `${fetched.jws}\n`, { mode: 0o600 });
  if (options.json) printJson({ file: out, manifest_file: manifestFileOf(out), ...describeExtract(manifest) });
  else {
    for (const line of summarizeExtract(manifest)) printLine(line);
    printLine(`${out}: sealed; its manifest: ${manifestFileOf(out)}`);
  }
}

/** The manifest that belongs to a sealed file. */
export function manifestFileOf(file: string): string {
  return `${file}.jws`;
}

async function assertIsExtract(file: string, { manifest }: FetchedManifest): Promise<void> {
  if (statSync(file).size !== manifest.content.bytes || (await hashFile(file)) !== manifest.content.sha256)
    throw new CommandFailed(`${file} is there already, and is another file; name another with --out`);
}

async function fetchContent(client: DciClient, url: string, { manifest }: FetchedManifest, out: string): Promise<void> {
  const { bytes, sha256 } = manifest.content;
  // Of another version of the file is another name.
  const part = `${out}.${sha256.slice(0, 16)}.part`;
  const before = existsSync(part) ? statSync(part).size : 0;
  const progress = startProgress('fetching; bytes', bytes);
  progress.update(before);
  try {
    await pipeline(
      tapBytes(client.readExtract(url, manifest, before), (read) => progress.update(before + read)),
      createWriteStream(part, { flags: 'a', mode: 0o600, flush: true }),
    );
  } finally {
    progress.stop();
  }
  if (statSync(part).size !== bytes || (await hashFile(part)) !== sha256) {
    rmSync(part);
    throw new CommandFailed('what was fetched is not the file of the manifest, and was removed; fetch it again');
  }
  await rename(part, out);
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
