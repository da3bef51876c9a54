// A failure as a message and back.
import { type Failure, isFailureCode } from './failure.js';
import type { perftrawl } from './generated/perftrawl.js';

const MAX_TEXT = 8192;

export function failureFromMessage(message: perftrawl.v1.Failure.$Properties): Failure {
  const code = message.code ?? '';
  return {
    code: isFailureCode(code) ? code : 'internal',
    message: (message.message ?? '').slice(0, MAX_TEXT),
    remedy: (message.remedy ?? '').slice(0, MAX_TEXT),
  };
}
