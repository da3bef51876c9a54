// Server-sent events out of a stream of text, however it is cut (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
import { fail } from '../../proto/failure.js';

export interface ServerSentEvent {
  /** '' when the event has none. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** UTF-16 units of one event. */
const mostText = 64 * 1024 ** 2;

export class EventParser {
  #rest = '';
  #id = '';
  #event = '';
  #data: string[] = [];

  /** @throws FailureError 'exhausted' for an event without an end */
  *push(text: string): Generator<ServerSentEvent> {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > mostText) throw fail('exhausted', 'the server sends an event that does not end');
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) yield { id: this.#id, event: this.#event, data: this.#data.join('\n') };
        this.#id = '';
        this.#event = '';
        this.#data = [];
      } else this.#take(line);
    }
  }

  /** Lines that begin with a colon are comments. */
  #take(line: string): void {
    const at = line.indexOf(':');
    const field = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '');
    if (field === 'id') this.#id = value;
    else if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
  }
}
