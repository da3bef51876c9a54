// What a watch has kept of the time before it fired: perf's rings as they were written out, to a symbolized profile in the spool.
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { RecordSpec } from '../../proto/capture.js';
import { ObjectKeeper } from '../symbolize/object-keeper.js';
import type { RingDump } from '../watch/look-back.js';
import type { CaptureContext } from './capture-context.js';
import { spoolProfile } from './profile-pipeline.js';
import { ringSource } from './profile-source.js';

export async function runDump(context: CaptureContext, spec: RecordSpec, dump: RingDump): Promise<void> {
  const keeper = new ObjectKeeper();
  try {
    await context.enter('running', 'reading what was kept of the time before');
    const source = ringSource(spec.detail, keeper, dump.since);
    context.progress = () => source;
    for await (const piece of createReadStream(dump.file, { highWaterMark: 1024 * 1024 })) {
      context.stop.discard.throwIfAborted();
      context.cost.recordedBytes += piece.length;
      source.push(piece);
    }
    const { span, ...raw } = source.end();
    await context.enter('symbolizing', `${source.samples} samples`);
    await keeper.settled();
    // Without any sample it is not known how far back the rings went: as far as was asked for, as nothing was overwritten.
    const from = Number.isNaN(span.first) ? dump.since : span.first;
    const held = Math.max(0, (dump.until - from) / 1e6);
    if (held < spec.duration * ENOUGH) {
      const detail = `the rings held ${(held / 1000).toFixed(1)} s before the firing, of ${spec.duration / 1000} s that were asked for`;
      context.losses.push({ kind: 'out-of-budget', count: 1, detail });
    }
    const times = { startTime: dump.time - held, duration: Math.round(held) };
    await spoolProfile(context, raw, spec.detail, times, keeper);
  } finally {
    await keeper.close();
    await rm(dump.file, { force: true });
  }
}

/** Of what was asked for; events do not come by the clock. */
const ENOUGH = 0.95;
