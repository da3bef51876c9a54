// Events and their filters on the command line, in perf's spelling: `-e page-faults,cpu-clock:u -e sched:sched_switch --filter 'prev_prio > 100'`.
import type { EventSpec } from '../../../proto/capture.js';
import { UsageError } from '../usage-error.js';

/** `-e` and `--filter` in the order they were given: a filter belongs to the event before it. */
export type EventArgument =
  | { readonly kind: 'event'; readonly text: string }
  | { readonly kind: 'filter'; readonly text: string };

/** Collects the two options, which commander hands over one by one, in order. */
export class EventArguments {
  readonly list: EventArgument[] = [];
  readonly addEvent = (text: string): EventArgument[] => this.#add({ kind: 'event', text });
  readonly addFilter = (text: string): EventArgument[] => this.#add({ kind: 'filter', text });

  #add(argument: EventArgument): EventArgument[] {
    this.list.push(argument);
    return this.list;
  }
}

/** Every character that occurs in event names, modifiers and PMU terms; no space, no quote, nothing a shell would obey. */
const EVENT_NAME = /^[A-Za-z0-9_][\w:./=,@%+*?-]*$/;
const LONGEST_NAME = 256;
const LONGEST_FILTER = 4096;

/** @throws UsageError for names perf could not have, filters without an event, and events given twice */
export function parseEvents(list: readonly EventArgument[]): EventSpec[] {
  const events: { name: string; filter?: string }[] = [];
  for (const argument of list) {
    if (argument.kind === 'event') {
      for (const name of splitEvents(argument.text)) events.push({ name: checkName(name) });
      continue;
    }
    const last = events.at(-1);
    if (last === undefined) throw new UsageError('--filter: give it after the -e of the tracepoint it filters');
    if (last.filter !== undefined) throw new UsageError(`--filter: ${last.name} has two; join them with &&`);
    last.filter = checkFilter(argument.text);
  }
  const names = events.map((event) => event.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`-e: ${twice} is given twice`);
  return events;
}

/** Commas separate events, except between the slashes of a PMU event: `cpu/event=0x3c,umask=0x1/u,page-faults`. */
function splitEvents(text: string): string[] {
  const names = [''];
  let isInPmu = false;
  for (const c of text) {
    if (c === '/') isInPmu = !isInPmu;
    if (c === ',' && !isInPmu) names.push('');
    else names[names.length - 1] += c;
  }
  return names;
}

function checkName(name: string): string {
  if (name === '') throw new UsageError('-e: an event name is missing');
  if (name.startsWith('{')) {
    throw new UsageError(`-e: groups such as ${JSON.stringify(name)} are not taken; give the events one by one`);
  }
  if (!EVENT_NAME.test(name) || name.length > LONGEST_NAME) {
    throw new UsageError(
      `-e: ${JSON.stringify(name.slice(0, 80))} is not an event name; \`perf list\` on the host shows them`,
    );
  }
  return name;
}

function checkFilter(filter: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is refused
  if (filter.trim() === '' || filter.length > LONGEST_FILTER || /[\u0000-\u001f\u007f]/.test(filter)) {
    throw new UsageError(
      `--filter: ${JSON.stringify(filter.slice(0, 80))} is not a filter; write it as \`prev_prio > 100\``,
    );
  }
  return filter;
}
