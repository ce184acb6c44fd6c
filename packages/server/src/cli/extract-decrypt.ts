import { createReadStream, existsSync, rmSync } from 'node:fs';
import { open as openFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fetchVerificationKeys, openExtract, readVerificationKeys, unpackExtract } from '@dci/client';
import { type DecryptionKey, type ExtractManifest, importDecryptionKey, type VerificationKey, verifyExtractManifest } from '@dci/protocol';
import { type Command, Option } from 'commander';
import { parseJson, readPrivateKey, readServer, readText, tellRefusal } from './client-options.ts';
import { describeExtract, summarizeExtract } from './extract-description.ts';
import { manifestFileOf } from './extract-fetch.ts';
import { addExamples, CommandFailed, printJson, printLine, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { onStopSignal } from './stop-signal.ts';
import { tapBytes } from './tap-bytes.ts';

interface DecryptOptions {
  readonly manifest?: string;
  readonly key: string;
  readonly jwks?: string;
  readonly server?: string;
  readonly out?: string;
  readonly gzip?: boolean;
  readonly json?: boolean;
}

export function registerExtractDecrypt(extract: Command): void {
  const command = extract
    .command('decrypt')
    .argument('<file>', 'the sealed file')
    .description(
      'verify the manifest of an extract, open its file and check sizes, hashes and the number of rows; nothing is left where anything does not fit',
    )
    .option('--manifest <file>', 'its manifest (a JWS); default: <file>.jws')
    .requiredOption('--key <file>', 'your private key (PEM or JWK) to which the extract is encrypted')
    .option('--jwks <url|file>', 'keys of the registry that signed the manifest: a JWKS')
    .addOption(new Option('--server <url>', 'or the registry itself, which publishes them').conflicts('jwks'))
    .option('--out <file>', 'where to; default: beside the sealed file, named after the extract and its format')
    .option('--gzip', 'leave it compressed; its rows are not counted then')
    .option('--json', 'print one JSON object')
    .action(decrypt);
  addExamples(
    command,
    'dci extract decrypt 019a8f4e-1111-7000-8000-000000000001.sealed --key private.pem --jwks registry-jwks.json --out persons.ndjson',
  );
}

async function decrypt(file: string, options: DecryptOptions): Promise<void> {
  const { gzip = false } = options;
  const manifestFile = options.manifest ?? manifestFileOf(file);
  const jws = readText(manifestFile).trim();
  const keys = await loadKeys(options);
  const manifest = await verifyExtractManifest(jws, (kid) => keys.get(kid));
  const key = readPrivateKey('--key', options.key, manifest.encryption.key.header.kid, importDecryptionKey);
  const out = options.out ?? join(dirname(file), `${manifest.extract_id}.${manifest.format}${gzip ? '.gz' : ''}`);
  if (!existsSync(file)) throw new UsageError(`cannot read ${file}: there is no such file`);
  if (existsSync(out)) throw new CommandFailed(`${out} is there already; name another with --out`);
  await writeWhole(out, (part) => open(file, part, { manifest, key, gzip }));
  if (options.json) printJson({ file: out, gzip, ...describeExtract(manifest) });
  else {
    for (const line of summarizeExtract(manifest)) printLine(line);
    printLine(`${out}: opened; it is the file of the manifest, signed by ${options.server ?? options.jwks}`);
  }
}

async function loadKeys({ jwks, server }: DecryptOptions): Promise<ReadonlyMap<string, VerificationKey>> {
  if (server !== undefined) return await fetchKeys(`${readServer(server).replace(/\/+$/, '')}/.well-known/jwks.json`);
  if (jwks === undefined) throw new UsageError('say whose signature is good: --jwks with the keys of the registry, or --server');
  if (/^https?:\/\//.test(jwks)) return await fetchKeys(jwks);
  return readVerificationKeys(parseJson(jwks, readText(jwks)));
}

async function fetchKeys(url: string): Promise<ReadonlyMap<string, VerificationKey>> {
  return await tellRefusal(fetchVerificationKeys(url));
}

interface Opening {
  readonly manifest: ExtractManifest;
  readonly key: DecryptionKey;
  readonly gzip: boolean;
}

async function open(file: string, part: string, { manifest, key, gzip }: Opening): Promise<void> {
  // Opened here: a stream that ends early might make the file only after it was removed.
  const handle = await openFile(part, 'wx', 0o600);
  const progress = startProgress('opening; bytes', manifest.content.bytes);
  try {
    const sealed = tapBytes(readFile(file), progress.update);
    await pipeline((gzip ? openExtract : unpackExtract)(sealed, manifest, [key]), handle.createWriteStream({ flush: true }));
  } finally {
    progress.stop();
    await handle.close();
  }
}

/** Opened when it is read: before that its failure would be nobody's. */
async function* readFile(file: string): AsyncGenerator<Buffer> {
  yield* createReadStream(file) as AsyncIterable<Buffer>;
}

/** Has a file written under another name, which it gets when it is whole; else nothing stays of it. */
async function writeWhole(file: string, write: (part: string) => Promise<void>): Promise<void> {
  const part = `${file}.${process.pid}.part`;
  const remove = (): void => rmSync(part, { force: true });
  const forget = onStopSignal((exitStatus) => {
    remove();
    process.exit(exitStatus);
  });
  try {
    await write(part);
    await rename(part, file);
  } finally {
    remove();
    forget();
  }
}
