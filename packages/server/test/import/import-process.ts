import { createReadStream } from 'node:fs';
import { argv, stdout } from 'node:process';
import { socialProfile } from '../../src/profiles/social.ts';
import { importRecords } from '../../src/services/import-records.ts';
import { readNdjson } from '../../src/services/read-ndjson.ts';
import { openDatabase } from '../../src/store/database.ts';

// A process that imports a file and says how far it has come, to be killed by a test.
const [connection = '{}', file = ''] = argv.slice(2);
const database = openDatabase(JSON.parse(connection) as object);
await importRecords(database.db, socialProfile, readNdjson(createReadStream(file)), {
  onRefused: ({ line }) => stdout.write(`refused ${line}\n`),
  onProgress: (lines) => stdout.write(`${lines}\n`),
});
stdout.write('done\n');
await database.close();
