import { Type } from 'typebox';
import { REQUEST_STATUSES, SEARCH_REASON_CODES } from '../codes.ts';
import { Locale, ReasonMessage, Timestamp } from '../formats.ts';

/** What every item of a request has beside what it asks. */
export const AskedItem = {
  reference_id: Type.String(),
  timestamp: Timestamp,
  locale: Type.Optional(Locale),
};

/** What every item of an answer has beside what it tells: with `rjct` a reason of a search, in code and words. */
export const AnsweredItem = {
  ...AskedItem,
  status: Type.Enum(REQUEST_STATUSES),
  status_reason_code: Type.Optional(Type.Enum(SEARCH_REASON_CODES)),
  status_reason_message: Type.Optional(ReasonMessage),
};
