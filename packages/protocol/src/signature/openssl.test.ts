import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEnvelope } from '../envelope.ts';
import { readJson } from '../json-text.ts';
import { verifyMessage } from '../verified-message.ts';
import { parseDciSignature } from './dci-signature.ts';
import { importPrivateKey, importPublicKey } from './keys.ts';
import { signContent } from './sign-content.ts';

/** Both directions against a sender and a receiver that share no code with this one: Python and the openssl command. */

const missing = ['python3', 'openssl'].filter((tool) => spawnSync(tool, [tool === 'openssl' ? 'version' : '--version']).status !== 0);
if (missing.length > 0) console.warn(`skipped: signatures against openssl, there is no ${missing.join(', no ')}`);

const NOW = 1_700_000_000;

const PSS = ['-pkeyopt', 'rsa_padding_mode:pss', '-pkeyopt', 'rsa_pss_saltlen:32'];
const ALGORITHMS = [
  ['EdDSA', ['-algorithm', 'ed25519'], []],
  ['ES256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], ['-digest', 'sha256']],
  ['RS256', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], ['-digest', 'sha256']],
  ['PS256', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], ['-digest', 'sha256', ...PSS]],
] as const;

/** A partner as one would write it in an afternoon: sorts, hashes, signs by openssl, and sends with the default separators. */
const PARTNER = `
import base64, hashlib, json, subprocess, sys
key_file, algorithm, data_file, *options = sys.argv[1:]
header = {'version': '1.0.0', 'message_id': 'm-1', 'message_ts': '2023-11-14T22:13:20Z', 'action': 'search', 'sender_id': 'py', 'total_count': 1}
message = {'transaction_id': 'Zo\\u00eb \\U0001f600', 'score': 45.0, 'ratio': 0.1, 'a"b': [None, True], 'large': 9007199254740991, 'small': 1e-07, 'uri': 'https://mis.example.org/r', 'B': 1, 'a': 2}
content = json.dumps({'header': header, 'message': message}, sort_keys=True, separators=(',', ':'))
digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
open(data_file, 'w').write(f'(created): ${NOW}\\n(expires): ${NOW + 300}\\ndigest: {digest}')
sign = ['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', key_file, '-in', data_file, *options]
signature = base64.b64encode(subprocess.run(sign, check=True, capture_output=True).stdout).decode()
text = f'namespace="dci", kidId="py|key-1|{algorithm}", algorithm="{algorithm}", created="${NOW}", expires="${NOW + 300}", headers="(created) (expires) digest", signature="{signature}"'
# As PHP would send it: slashes escaped.
sys.stdout.write(json.dumps({'signature': text, 'header': header, 'message': message}).replace('/', chr(92) + '/'))`;

function run(tool: string, ...parameters: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(tool, parameters);
  if (status !== 0) throw new Error(`${tool}: ${stderr.toString()}`);
  return stdout.toString();
}

describe.skipIf(missing.length > 0)('openssl', () => {
  let folder = '';
  const inFolder = (name: string): string => join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dci-openssl-'));
    for (const [algorithm, generation] of ALGORITHMS) {
      run('openssl', 'genpkey', ...generation, '-out', inFolder(`${algorithm}.pem`));
      run('openssl', 'pkey', '-in', inFolder(`${algorithm}.pem`), '-pubout', '-out', inFolder(`${algorithm}.pub`));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(ALGORITHMS)('signs %s messages that verify here', (algorithm, _generation, options) => {
    const body = run('python3', '-c', PARTNER, inFolder(`${algorithm}.pem`), algorithm, inFolder('signed'), ...options);
    const key = importPublicKey(readFileSync(inFolder(`${algorithm}.pub`), 'utf8'), { kid: 'key-1', algorithm });
    const verify = (text: string) => {
      const received = readJson(text);
      return verifyMessage({ received, envelope: parseEnvelope(received.value), policy: 'required', findKey: () => key, now: NOW });
    };
    expect(verify(body).signedBy).toEqual({ kid: 'key-1', dialect: 'dci', form: 'sorted-ascii', expires: NOW + 300 });
    expect(() => verify(body.replace('45.0', '45.1'))).toThrow('does not fit');
  });

  it.each(ALGORITHMS.filter(([algorithm]) => algorithm !== 'ES256'))(
    'verifies %s messages that are signed here',
    (algorithm, _generation, options) => {
      const key = importPrivateKey(readFileSync(inFolder(`${algorithm}.pem`), 'utf8'), { kid: 'key-1', algorithm });
      const { signature } = parseDciSignature(signContent('{}', key, { senderId: 'us', created: NOW, expires: NOW + 300 }));
      writeFileSync(inFolder('signature'), signature);
      // RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o= is the SHA-256 of "{}".
      writeFileSync(inFolder('signed'), `(created): ${NOW}\n(expires): ${NOW + 300}\ndigest: RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=`);
      const parameters = [
        '-verify',
        '-rawin',
        '-pubin',
        '-inkey',
        inFolder(`${algorithm}.pub`),
        '-in',
        inFolder('signed'),
        '-sigfile',
        inFolder('signature'),
      ];
      expect(run('openssl', 'pkeyutl', ...parameters, ...options)).toContain('Verified Successfully');
    },
  );
});
