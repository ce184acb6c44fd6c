import type { SearchCriteria } from '@dci/protocol';
import { type Command, Option } from 'commander';
import { addLaterOptions, type LaterCommandOptions } from './ask-as-server.ts';
import {
  addAnswerOptions,
  type AnswerOptions,
  gatherIdentifiers,
  type IdentifierQuery,
  openNamedClient,
  parseCount,
  readCriteriaFile,
  tellRefusal,
} from './client-options.ts';
import { addExamples, UsageError } from './output.ts';
import { printFound } from './print-found.ts';
import { searchLater } from './search-later.ts';
import { searchPages } from './search-pages.ts';

// `dci search` is a client of any DCI server. Unless it asks asynchronously, it needs no database and no configuration of a
// server here.

interface SearchOptions extends LaterCommandOptions, AnswerOptions {
  readonly insecureNoVerify?: boolean;
  readonly id?: readonly IdentifierQuery[];
  readonly criteria?: string;
  readonly entity?: string;
  readonly pageSize?: number;
  readonly page?: number;
  readonly all?: boolean;
  readonly async?: boolean;
}

export function registerSearch(program: Command): void {
  const command = program.command('search').description('search any DCI server: sign, ask, verify the answer, print the records');
  addAnswerOptions(command)
    .addOption(new Option('--insecure-no-verify', 'use the answer whatever its signature').conflicts('jwks'))
    .option('--id <type=value>', 'search by an identifier; may be repeated', gatherIdentifiers)
    .addOption(new Option('--criteria <file>', 'search_criteria as JSON, or a list of them; - reads stdin').conflicts('id'))
    .option('--entity <name>', 'what to answer with, e.g. Group or Member')
    .option('--page-size <n>', 'records a page', parseCount)
    .option('--page <n>', 'which page, from 1', parseCount)
    .addOption(new Option('--all', 'all pages, one after another').conflicts('page'))
    .addOption(
      new Option(
        '--async',
        'ask in the name of the server here, signed by its key; the answer comes to its inbox, from the registered partner that --receiver-id names',
      ).conflicts(['all', 'decryptionKey', 'decryptionKeyId', 'jwks', 'insecureNoVerify']),
    );
  addLaterOptions(command).option('--json', 'print one JSON object').action(runSearch);
  addExamples(
    command,
    'dci search --server http://127.0.0.1:8080/api/v2/dci --sender-id spmis.example.org --token-file token --key key.pem --key-id key-1 --id UIN=847951632',
    `echo '{"query_type": "predicate", "query": [{"expression1": {"attribute_name": "age", "operator": "lt", "attribute_value": 5}}]}' > children.json`,
    'dci search --server http://127.0.0.1:8080/api/v2/dci --sender-id spmis.example.org --token-file token --key key.pem --key-id key-1 --criteria children.json --all --json',
    'dci search --async --server https://social.example.org/api/v2/dci --receiver-id social.example.org --token-file token --criteria children.json',
  );
}

async function runSearch(options: SearchOptions): Promise<void> {
  if (options.async === true) return await searchLater(readCriteria(options), options);
  if (!options.wait || options.timeout !== undefined) throw new UsageError('--no-wait and --timeout go with --async');
  const client = openNamedClient(options, { answerSignatures: options.insecureNoVerify ? 'unverified' : 'required' });
  const found = await tellRefusal(searchPages(client, readCriteria(options), { registry: options.registry, all: options.all }));
  printFound(found, options.json === true);
}

function readCriteria(options: SearchOptions): SearchCriteria[] {
  const asked =
    options.criteria === undefined
      ? (options.id ?? []).map(byIdentifier)
      : readCriteriaFile<SearchCriteria>(options.criteria, '{"query_type": …, "query": …}');
  if (asked.length === 0) throw new UsageError('say what to search for: --id TYPE=VALUE or --criteria FILE');
  return asked.map((criteria) => complete(criteria, options));
}

function byIdentifier(query: IdentifierQuery): SearchCriteria {
  return { query_type: 'idtype-value', query };
}

const DEFAULT_PAGE_SIZE = 20;

function complete(criteria: SearchCriteria, { entity, pageSize, page }: SearchOptions): SearchCriteria {
  const size = pageSize ?? criteria.pagination?.page_size ?? (page === undefined ? undefined : DEFAULT_PAGE_SIZE);
  return {
    ...criteria,
    ...(entity === undefined ? {} : { response_entity: entity }),
    ...(size === undefined
      ? {}
      : { pagination: { ...criteria.pagination, page_size: size, ...(page === undefined ? {} : { page_number: page }) } }),
  };
}
