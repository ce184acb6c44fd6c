import { compileParser, DciError } from '@dci/protocol';
import { type Static, Type } from 'typebox';
import { recipientsOf } from '../disclosure/grant.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Consent } from '../store/consents.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { assertWhole } from './assert-whole.ts';
import { GivenConsent } from './consent-request.ts';
import { giveConsent, renewConsent, stateOf, withdrawConsent } from './consents.ts';
import type { WriteKind } from './write-records.ts';

/** What the registry's own systems write down of consents. Members that are not declared are refused. */

const closed = { additionalProperties: false };
const note = Type.Optional(Type.String({ minLength: 1, maxLength: 500 }));
const Id = Type.String({ maxLength: 64, description: 'the id of a consent' });

const Give = Type.Object({ op: Type.Literal('give'), ...GivenConsent.properties }, closed);
const Renew = Type.Object({ op: Type.Literal('renew'), id: Id, valid_until: Type.Optional(Type.String()), evidence: note }, closed);
const Withdraw = Type.Object({ op: Type.Literal('withdraw'), id: Id, reason: note }, closed);

const MOST_OPERATIONS = 1_000;

/** For the API's page. */
export const ConsentRequest = Type.Object(
  {
    reg_type: Type.Optional(Type.String({ description: 'the registry, where the path names none' })),
    operations: Type.Array(Type.Union([Give, Renew, Withdraw]), {
      minItems: 1,
      maxItems: MOST_OPERATIONS,
      description: `a list of 1 to ${MOST_OPERATIONS} operations`,
    }),
  },
  closed,
);

type Operation = Static<typeof Give> | Static<typeof Renew> | Static<typeof Withdraw>;

const parseOuter = compileParser(
  Type.Object(
    {
      ...ConsentRequest.properties,
      operations: Type.Array(Type.Object({ op: Type.String() }, { additionalProperties: true }), {
        minItems: 1,
        maxItems: MOST_OPERATIONS,
      }),
    },
    closed,
  ),
  '',
);

const PARSERS: Readonly<Record<string, (value: unknown) => Operation>> = {
  give: compileParser(Give, ''),
  renew: compileParser(Renew, ''),
  withdraw: compileParser(Withdraw, ''),
};

/** `now`: epoch milliseconds. */
export function consentWrites(now: () => number): WriteKind<Operation> {
  return {
    action: 'consent',
    parse(value) {
      const { reg_type: regType, operations } = parseOuter(value);
      const parsed = operations.map((operation, index) => at(index, () => parseOperation(operation)));
      return { regType, read: () => parsed };
    },
    async carryOut(db, profile, operations, { partner }) {
      assertWhole(partner, profile.registry, 'writing');
      for (const [index, operation] of operations.entries()) at(index, () => assertForOthers(isToOwn(operation, partner), '/recipient'));
      const results: { op: string; consent_id: string; state: string }[] = [];
      for (const [index, operation] of operations.entries()) {
        const consent = await atLater(index, () => carryOut(db, profile, operation, partner, now()));
        results.push({ op: operation.op, consent_id: consent.id, state: stateOf(consent, now()) });
      }
      return { results, query: JSON.stringify(results) };
    },
  };
}

function isToOwn(operation: Operation, { senderId, recipientClasses }: Partner): boolean {
  if (operation.op !== 'give') return false;
  const { recipient } = operation;
  return 'class' in recipient ? recipientClasses.has(recipient.class) : recipient.partner === senderId;
}

/** Who writes down what people agree to must not be who profits from it. */
function assertForOthers(isOwn: boolean, pointer: string): void {
  if (isOwn)
    throw new DciError('err.request.forbidden', 'a consent to yourself, or to a class you belong to, is written down by somebody else', {
      pointer,
    });
}

function parseOperation(operation: { readonly op: string }): Operation {
  const parse = Object.hasOwn(PARSERS, operation.op) ? PARSERS[operation.op] : undefined;
  if (parse === undefined)
    throw new DciError('err.request.bad', `op must be one of ${Object.keys(PARSERS).join(', ')}`, { pointer: '/op' });
  return parse(operation);
}

async function carryOut(db: Db, profile: Profile, operation: Operation, partner: Partner, now: number): Promise<Consent> {
  const by = `partner:${partner.senderId}`;
  switch (operation.op) {
    case 'give': {
      const { op: _, ...given } = operation;
      return await giveConsent(db, profile, given, by, now);
    }
    case 'renew': {
      const consent = await renewConsent(db, profile, operation.id, {
        validUntil: operation.valid_until,
        evidence: operation.evidence,
        by,
      });
      assertForOthers(recipientsOf(partner).includes(consent.recipient), '/id');
      return consent;
    }
    case 'withdraw':
      return await withdrawConsent(db, profile, operation.id, { reason: operation.reason, by });
  }
}

function at<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw place(index, error);
  }
}

async function atLater<T>(index: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw place(index, error);
  }
}

/** The fault, with its place in the request. */
function place(index: number, error: unknown): unknown {
  if (!(error instanceof DciError)) return error;
  return new DciError(error.code, error.message, { pointer: `/operations/${index}${error.pointer ?? ''}` });
}
