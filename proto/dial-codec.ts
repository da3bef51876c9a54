// The frames of an agent that dials in: plain value to bytes and back. Without gRPC, which an agent that waits has not loaded.
import type { Duplex } from 'node:stream';
import { MAX_DIAL_FRAME_BYTES } from './dial.js';
import { type Failure, fail } from './failure.js';
import { failureFromMessage } from './failure-message.js';
import { framed, readFramed } from './framed-message.js';
import { perftrawl } from './generated/perftrawl.js';

/** `unknown`: of a later version. */
export type DialFrame =
  | { readonly kind: 'hello'; readonly instance: string; readonly version: string }
  | { readonly kind: 'welcome'; readonly host: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'ping' | 'pong' | 'begin' | 'begun' | 'unknown' };

/** Longest text of a refusal, so that any frame fits. */
const MAX_REASON = 2000;
const MAX_WORD = 200;

export function encodeDialFrame(frame: DialFrame): Buffer {
  return framed(perftrawl.v1.DialFrame.encode(toMessage(frame)).finish());
}

/** @throws FailureError 'bad-data', and those of readFramed */
export async function readDialFrame(stream: Duplex, signal: AbortSignal): Promise<DialFrame> {
  const bytes = await readFramed(stream, MAX_DIAL_FRAME_BYTES, signal);
  try {
    return fromMessage(perftrawl.v1.DialFrame.decode(bytes));
  } catch (cause) {
    throw fail('bad-data', 'what the other side says is no frame of an agent that dials in', '', cause);
  }
}

function toMessage(frame: DialFrame): perftrawl.v1.DialFrame.$Properties {
  switch (frame.kind) {
    case 'hello':
      return { hello: { instance: frame.instance, version: frame.version } };
    case 'welcome':
      return { welcome: { host: frame.host } };
    case 'refused': {
      const { code, message, remedy } = frame.failure;
      return { refused: { code, message: message.slice(0, MAX_REASON), remedy: remedy.slice(0, MAX_REASON) } };
    }
    case 'ping':
    case 'pong':
    case 'begin':
    case 'begun':
      return { [frame.kind]: true };
    case 'unknown':
      return {};
  }
}

function fromMessage(message: perftrawl.v1.DialFrame.$Properties): DialFrame {
  const { hello, welcome, refused } = message;
  if (hello) return { kind: 'hello', instance: word(hello.instance), version: word(hello.version) };
  if (welcome) return { kind: 'welcome', host: word(welcome.host) };
  if (refused) return { kind: 'refused', failure: failureFromMessage(refused) };
  for (const kind of ['ping', 'pong', 'begin', 'begun'] as const) if (message[kind]) return { kind };
  return { kind: 'unknown' };
}

function word(text: string | null | undefined): string {
  return (text ?? '').slice(0, MAX_WORD);
}
