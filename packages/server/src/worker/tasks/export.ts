import type { Answered, AnswerWork, RequestAnswerer } from '../../services/answer-request.ts';
import { EXPORT } from '../../services/async-export.ts';
import type { TaskKind } from '../task-kind.ts';
import { answerTask } from './answer.ts';

/** Answers requests that take long: makes extracts, of each partner one after the other. */
export function exportTask(answerer: RequestAnswerer): TaskKind<AnswerWork, Answered> {
  return { ...answerTask(answerer), kind: EXPORT, hands: 2, cap: 1, timeoutMs: 3 * 3_600_000 };
}
