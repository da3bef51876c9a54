// Agents on their way to hosts that are asked something, on stderr: one line drawn over on a terminal, a line per quarter otherwise.
import type { AgentDelivery } from '../api.js';
import { printable } from '../views/printable.js';
import type { CliIo } from './io.js';
import { deliveryStep, deliveryText } from './render/delivery-text.js';
import { shorten } from './render/fit-table.js';

/** undefined: it has arrived, or will not. */
type DeliveryView = (host: string, delivery: AgentDelivery | undefined) => void;

const REDRAW_INTERVAL = 100;

type ViewIo = Pick<CliIo, 'stderr' | 'isStderrTty' | 'progressColumns' | 'env' | 'now'>;

export function deliveryView(io: ViewIo): DeliveryView {
  return io.isStderrTty && io.env.TERM !== 'dumb' ? liveView(io) : lineView(io);
}

function lineView({ stderr }: ViewIo): DeliveryView {
  const steps = new Map<string, string>();
  return (host, delivery) => {
    if (delivery === undefined) steps.delete(host);
    const step = deliveryStep(delivery);
    if (delivery === undefined || step === undefined || steps.get(host) === step) return;
    steps.set(host, step);
    stderr.write(`${printable(`${host}: ${deliveryText(delivery)}`)}\n`);
  };
}

/** The cursor stays on its line: what else is drawn over does not notice. */
function liveView({ stderr, progressColumns, now }: ViewIo): DeliveryView {
  const shown = new Map<string, AgentDelivery>();
  let drawnAt = Number.NEGATIVE_INFINITY;
  return (host, delivery) => {
    if (delivery === undefined) shown.delete(host);
    else shown.set(host, delivery);
    if (shown.size > 0 && now() - drawnAt < REDRAW_INTERVAL) return;
    drawnAt = shown.size === 0 ? Number.NEGATIVE_INFINITY : now();
    const parts = [...shown].map(([name, one]) => printable(`${name}: ${deliveryText(one)}`));
    stderr.write(`\r\x1b[K${shorten(firstOf(parts, progressColumns - 1), progressColumns - 1)}`);
  };
}

/** As many as there is room for, at least one; `… and 3 more`. */
function firstOf(parts: readonly string[], columns: number): string {
  let count = parts.length;
  for (;;) {
    const left = parts.length - count;
    const text = [...parts.slice(0, count), ...(left === 0 ? [] : [`… and ${left} more`])].join('; ');
    if (text.length <= columns || count <= 1) return text;
    count--;
  }
}
