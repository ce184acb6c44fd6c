import { unpackExtract } from '@dci/client';
import { parseExportResponse } from '@dci/protocol';
import { isAnswer, tellSignature } from './demo-event-steps.ts';
import { clientFor, expect, REGISTRY, type Step } from './demo-step.ts';
import { summarizeExtract } from './extract-description.ts';

const SHOWN_ROWS = 3;

/** What a researcher comes for: asked for, made, told of, fetched, opened. */
export async function extractStep(step: Step): Promise<void> {
  const { title, done, print, receiver, university } = step;
  title(`${university.senderId} asks for an extract for research: a row a person, each like nine others at least`);
  const client = clientFor(step, university);
  const asked = await client.exportLater(
    {
      reg_record_type: 'SRPerson',
      dimensions: ['region', 'sex', 'education_level'],
      query_type: 'idtype-value',
      query: { type: '*', value: '*' },
      format: 'csv',
    },
    { ...REGISTRY, senderUri: `${receiver.url}/on-export` },
  );
  const callback = await receiver.waitFor('the extract as a callback', isAnswer('on-export', asked.transactionId));
  const extract = parseExportResponse(callback.message).export_response[0]?.extract;
  expect(extract !== undefined, 'the extract is made');
  print(`     told of by a callback, ${tellSignature(callback)}`);
  const { manifest } = await client.fetchExtractManifest(extract.url);
  print(`     fetched: ${manifest.content.bytes} bytes, sealed to the key of ${manifest.recipient}; its manifest is signed as well`);
  for (const line of summarizeExtract(manifest)) print(`     ${line}`);
  const opened: Buffer[] = [];
  for await (const text of unpackExtract(client.readExtract(extract.url, manifest), manifest, [university.decryptionKey]))
    opened.push(text);
  const [header = '', ...rows] = Buffer.concat(opened).toString().trimEnd().split('\r\n');
  for (const row of [header, ...rows.slice(0, SHOWN_ROWS)]) print(`       ${row}`);
  const { k, records, smallest_class: smallest } = manifest.k_anonymity;
  expect(rows.length === records && smallest >= k, 'each row stands for as many persons as the threshold');
  done(`opened: signature, hashes, tags and the number of rows fit; no row is shared by fewer than ${smallest} persons`);
}
