import { parseSearchResponse, type SearchCriteria, type SearchResponseItem } from '@dci/protocol';
import type { ReceivedAnswer } from '../services/ask-later.ts';
import type { InboxContent } from '../services/inbox-content.ts';
import { askAsServer, type LaterCommandOptions, stillMissing } from './ask-as-server.ts';
import { CommandFailed, EXIT, printNote } from './output.ts';
import { printFound } from './print-found.ts';
import { type Found, type FoundItem, readItem } from './search-pages.ts';
import { toPrintable } from './tabulate-records.ts';

/** `dci search --async`: asks now; the answer comes in one message or several, in any order, and is printed as any other. */
export async function searchLater(criteria: readonly SearchCriteria[], options: LaterCommandOptions): Promise<void> {
  const answer = await askAsServer(options, {
    action: 'search',
    answeredBy: 'on-search',
    referenceIds: criteria.map((_, index) => referenceOf(index)),
    send: (client, later) => client.searchLater(criteria, later),
    isComplete: (answers) => isRefused(answers) || criteria.every((asked, index) => hasAll(asked, itemsOf(answers, index))),
  });
  if (answer === undefined) return;
  const { answers, transactionId } = answer;
  if (isRefused(answers) && criteria.every((_, index) => itemsOf(answers, index).length === 0))
    throw new CommandFailed(tellHeader(answers));
  printFound(gather(criteria, answers), options.json === true, { transaction_id: transactionId });
  if (answer.isComplete) return;
  process.exitCode = EXIT.failed;
  printNote(`not all of it has come: ${stillMissing(transactionId)}`);
}

function referenceOf(index: number): string {
  return String(index + 1);
}

function isRefused(answers: readonly ReceivedAnswer[]): boolean {
  return answers.some(({ status }) => status === 'rjct');
}

function tellHeader(answers: readonly ReceivedAnswer[]): string {
  const header: InboxContent['header'] = answers.find(({ status }) => status === 'rjct')?.content.header ?? {};
  const [code = 'rjct', message = 'the whole message was refused'] = [header['status_reason_code'], header['status_reason_message']].map(
    (value) => (typeof value === 'string' ? toPrintable(value) : undefined),
  );
  return `refused with ${code}: ${message}`;
}

/** The pages of one item, by number. */
function itemsOf(answers: readonly ReceivedAnswer[], index: number): SearchResponseItem[] {
  const items = answers.flatMap(({ content }) => parseSearchResponse(content.message).search_response);
  return items.filter((item) => item.reference_id === referenceOf(index)).toSorted((one, other) => pageOf(one) - pageOf(other));
}

function pageOf({ pagination }: SearchResponseItem): number {
  return pagination?.page_number ?? 1;
}

/** One page where one was asked for; else all pages up to the last. */
function hasAll({ pagination: asked }: SearchCriteria, items: readonly SearchResponseItem[]): boolean {
  const last = items.at(-1);
  if (last === undefined) return false;
  const { pagination: page } = last;
  if (asked !== undefined || page === undefined || last.status === 'rjct') return true;
  const isLast = page.page_number * page.page_size >= page.total_count || (last.data?.reg_records.length ?? 0) === 0;
  return isLast && new Set(items.map(pageOf)).size >= page.page_number;
}

function gather(criteria: readonly SearchCriteria[], answers: readonly ReceivedAnswer[]): Found {
  return {
    signedBy: answers.at(-1)?.kid,
    items: criteria.map((_, index): FoundItem => {
      const pages = itemsOf(answers, index);
      const [first] = pages;
      if (first === undefined) return { records: [], totalCount: 0 };
      return { ...readItem(first), records: pages.flatMap((page) => readItem(page).records) };
    }),
  };
}
